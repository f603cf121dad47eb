//! Checks against a live server: that it exports every metric that the dashboard and the rules
//! name, and that it takes every setting that the manifests set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{consistency, dashboard, run};
use crate::http_client::Connection;
use crate::process::{self, Process};

/// Metrics that a later version exports. One that is exported must go from here.
const AWAITED: [&str; 1] = ["app_rate_limit_decisions_total"];

/// Names in the files that no recording rule and no live server gives.
pub(super) fn metrics(root: &Path, binary: &Path) -> Result<Vec<String>, String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let rules = read("deploy/prometheus/posthorn.rules.yaml")?;
    let queries = dashboard::queries(root)?.join("\n");
    let exported = exported(binary)?;
    let recorded: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "))
        .collect();
    let named = names(&queries)
        .chain(names(&rules))
        .collect::<BTreeSet<_>>();
    let missing = named.iter().filter(|name| {
        !exported.contains(**name) && !recorded.contains(*name) && !AWAITED.contains(name)
    });
    let come = AWAITED.iter().filter(|name| exported.contains(**name));
    let missing = missing.map(|name| format!("{name}: no live server exports it"));
    Ok(missing
        .chain(come.map(|name| format!("{name} is exported and still awaited")))
        .collect())
}

/// Settings in the manifests that the binary does not take as they are.
pub(super) fn settings(objects: &[Value], binary: &Path) -> Result<Vec<String>, String> {
    let Some(deployment) = objects.iter().find(|object| object["kind"] == "Deployment") else {
        return Ok(vec!["there is no Deployment".to_owned()]);
    };
    let config =
        consistency::settings(deployment, objects).ok_or("the Deployment reads no ConfigMap")?;
    let config = config
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let mut environment: BTreeMap<&str, String> = config
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    let own = deployment
        .pointer("/spec/template/spec/containers/0/env")
        .and_then(Value::as_array);
    for variable in own.into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let value = variable["value"]
            .as_str()
            .map(|text| expanded(text, &environment));
        environment.insert(name, value.unwrap_or_else(|| "0123456789abcdef".repeat(4)));
    }
    // What only feeds another value is no setting.
    environment.remove("REDIS_PASSWORD");
    unknown(&environment, binary)
}

/// The names in `environment` that the binary does not know; a value that it refuses is an error.
pub(super) fn unknown(
    environment: &BTreeMap<&str, String>,
    binary: &Path,
) -> Result<Vec<String>, String> {
    let mut command = Command::new(binary);
    let shown = run(command.env_clear().arg("config").envs(environment))?;
    let taken = |name: &str| {
        shown
            .lines()
            .any(|line| line.split_whitespace().next() == Some(name))
    };
    // An empty variable is an unset one.
    let set = environment.iter().filter(|(_, value)| !value.is_empty());
    let unknown = set.map(|(name, _)| name).filter(|name| !taken(name));
    Ok(unknown
        .map(|name| format!("{name} is no setting"))
        .collect())
}

/// `$(NAME)` as Kubernetes replaces it.
fn expanded(text: &str, environment: &BTreeMap<&str, String>) -> String {
    environment
        .iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("$({name})"), value)
        })
}

/// The samples of a server over Redis that has answered each kind of request.
fn exported(binary: &Path) -> Result<BTreeSet<String>, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let redis_address = process::free_address()?;
    let _redis = process::redis(redis_address, directory.path())?;
    let address = process::free_address()?;
    let url = format!("redis://{redis_address}/0");
    let mut command = Command::new(binary);
    command.env_clear().current_dir(directory.path());
    command
        .env("PORT", address.port().to_string())
        .env("STORE_URL", &url)
        .env("REDIS_URL", &url);
    let log = directory.path().join("posthorn.log");
    let mut server = Process::start("posthorn", &mut command, &log)?;
    let mut client = Connection::new(address);
    server.wait_for(|| {
        client
            .get("/health/ready")
            .is_ok_and(|answer| answer.status == 200)
    })?;
    let mut client = Connection::new(address);
    let mut ask = |path: &str, body: Option<&str>| {
        let key = "Idempotency-Key: one\r\n";
        let answer = match body {
            Some(body) => client.post(path, key, body),
            None => client.get(path),
        };
        answer.map_err(|error| format!("{path}: {error}"))
    };
    for body in [
        r#"{"message":"one"}"#,
        r#"{"message":"one"}"#,
        r#"{"message":""}"#,
    ] {
        ask("/api/v1/message", Some(body))?;
    }
    for path in [
        "/api/v1/info",
        "/api/v1/health",
        "/api/v1/topics/inbox/messages",
        "/nowhere",
    ] {
        ask(path, None)?;
    }
    let text = ask("/metrics", None)?.body;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    Ok(samples
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(str::to_owned)
        .collect())
}

/// The names of Posthorn's own metrics and recordings in a text of queries.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| {
        ["app_", "process_", "posthorn:"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_queries() {
        let query = r#"sum by (pod) (rate(app_requests_total{job="posthorn"}[5m])) / posthorn:x:rate5m > process_open_fds"#;
        let found: Vec<_> = names(query).collect();
        assert_eq!(
            found,
            [
                "app_requests_total",
                "posthorn:x:rate5m",
                "process_open_fds"
            ]
        );
    }

    #[test]
    fn a_variable_is_replaced_by_an_earlier_one() {
        let environment = BTreeMap::from([("REDIS_PASSWORD", "secret".to_owned())]);
        let text = "redis://:$(REDIS_PASSWORD)@posthorn-redis:6379/0";
        assert_eq!(
            expanded(text, &environment),
            "redis://:secret@posthorn-redis:6379/0"
        );
    }
}
