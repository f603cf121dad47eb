//! Checks `deploy/compose.yaml` without an engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::render;
use super::tools::Tools;

/// The compose file.
pub(super) fn read(tools: &Tools, root: &Path) -> Result<Value, String> {
    let path = root.join("deploy/compose.yaml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = render::objects(tools, &text)?.into_iter().next();
    file.ok_or_else(|| "compose.yaml is empty".to_owned())
}

/// Differences from the manifests for Kubernetes, and settings that would lose messages.
pub(super) fn violations(compose: &Value, production: &[Value]) -> Vec<String> {
    let redis = &compose["services"]["redis"];
    let set = production
        .iter()
        .find(|object| object["kind"] == "StatefulSet");
    let image = set.and_then(|set| set.pointer("/spec/template/spec/containers/0/image"));
    let mut found = Vec::new();
    if image != Some(&redis["image"]) {
        found.push(format!(
            "Redis is {}, on Kubernetes {image:?}",
            redis["image"]
        ));
    }
    let holds = |list: &Value, text: &str| {
        list.as_array()
            .is_some_and(|list| list.iter().any(|each| each == text))
    };
    for argument in [
        "--appendonly",
        "--appendfsync",
        "always",
        "noeviction",
        "--maxmemory",
    ] {
        if !holds(&redis["command"], argument) {
            found.push(format!("Redis runs without {argument}"));
        }
    }
    if !holds(&redis["volumes"], "redis:/data")
        || !compose["volumes"]
            .as_object()
            .is_some_and(|v| v.contains_key("redis"))
    {
        found.push("Redis's data is in no volume".to_owned());
    }
    found
}

/// The settings of the server, with the defaults of the variables that they take.
pub(super) fn settings(compose: &Value) -> BTreeMap<&str, String> {
    let environment = compose["services"]["posthorn"]["environment"].as_object();
    let values = environment.into_iter().flatten();
    values
        .filter_map(|(name, value)| {
            let text = value.as_str()?;
            let variable = text
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            let default = variable.and_then(|variable| variable.split_once(":-"));
            Some((
                name.as_str(),
                default.map_or(text, |(_, default)| default).to_owned(),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_gives_its_default() {
        let compose = json!({"services": {"posthorn": {"environment": {
            "ENVIRONMENT": "${ENVIRONMENT:-development}", "SECRET_KEY": "${SECRET_KEY:-}", "PORT": "5000",
        }}}});
        let expected = [
            ("ENVIRONMENT", "development"),
            ("PORT", "5000"),
            ("SECRET_KEY", ""),
        ];
        let expected = expected.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(settings(&compose), BTreeMap::from(expected));
    }

    #[test]
    fn data_outside_a_volume_is_found() {
        let set = json!({"kind": "StatefulSet",
            "spec": {"template": {"spec": {"containers": [{"image": "redis:1"}]}}}});
        let compose = json!({"services": {"redis": {"image": "redis:1", "command":
            ["redis-server", "--appendonly", "yes", "--appendfsync", "always", "noeviction",
                "--maxmemory"]}}});
        assert_eq!(
            violations(&compose, &[set]),
            ["Redis's data is in no volume"]
        );
    }
}
