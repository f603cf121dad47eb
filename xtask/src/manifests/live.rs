//! The metrics of live servers: over Redis, after each kind of request, after rejections, and after the
//! loss of Redis; and over a file, whose bytes have a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::http_client::HttpClient;
use crate::process::{self, Process};

/// More messages than the quota of one client allows.
const MESSAGES: usize = 12;
/// A consumer with the names of the series that sums up the consumers above the limit.
const CONSUMER: &str = "/api/v1/topics/other/consumers/other";
/// A webhook on a topic without messages: it is counted, and never called.
const WEBHOOK: &str = "/api/v1/topics/other/webhooks/other";
/// Webhooks need a key that lasts.
const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef";

/// The values of each label of each metric.
pub(super) type Samples = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What a live server exported.
pub(super) struct Exported {
    pub(super) samples: Samples,
    /// The texts before the loss of Redis, and over a file.
    pub(super) text: String,
}

/// The samples before and after the loss of Redis.
pub(super) fn exported(binary: &Path) -> Result<Exported, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let redis_address = process::free_address()?;
    let redis = process::redis(redis_address, directory.path())?;
    let url = format!("redis://{redis_address}/0");
    let settings = [("STORE_URL", url.as_str()), ("REDIS_URL", &url)];
    let (mut server, mut client) = start(binary, directory.path(), &settings)?;
    use_everything(&mut client)?;
    // The counts of consumers are read in rounds.
    let mut before = String::new();
    let counted = || {
        before = ask(&mut client, "/metrics", None).unwrap_or_default();
        before.contains("app_consumer_waiting{") && before.contains("kind=\"webhook\"")
    };
    server.wait_for(counted)?;
    drop(redis);
    for _ in 0..MESSAGES {
        send(&mut client, r#"{"message":"two"}"#)?;
    }
    let after = ask(&mut client, "/metrics", None)?;
    drop(server);
    let settings = [
        ("STORE_URL", "file:limited.db"),
        ("MAX_STORE_BYTES", "1073741824"),
    ];
    let (_server, mut client) = start(binary, directory.path(), &settings)?;
    let limited = ask(&mut client, "/metrics", None)?;
    let text = before + &limited;
    let mut samples = Samples::new();
    for line in text.lines().chain(after.lines()) {
        read(&mut samples, line);
    }
    Ok(Exported { samples, text })
}

/// A ready server in `directory` and a client of it.
fn start(
    binary: &Path,
    directory: &Path,
    settings: &[(&str, &str)],
) -> Result<(Process, HttpClient), String> {
    let address = process::free_address()?;
    let mut command = crate::binary::server(binary);
    command.current_dir(directory);
    command
        .env("PORT", address.port().to_string())
        .env("SECRET_KEY", SECRET_KEY)
        .envs(settings.iter().copied());
    let log = directory.join("posthorn.log");
    let mut server = Process::start("posthorn", &mut command, &log)?;
    let ready = || {
        let response = HttpClient::new(address).get("/health/ready");
        response.is_ok_and(|response| response.status == 200)
    };
    server.wait_for(ready)?;
    Ok((server, HttpClient::new(address)))
}

/// Makes the requests that give the metrics their series.
fn use_everything(client: &mut HttpClient) -> Result<(), String> {
    for path in [
        "/api/v1/info",
        "/api/v1/health",
        "/api/v1/topics/inbox/messages",
        "/nowhere",
    ] {
        ask(client, path, None)?;
    }
    for _ in 0..MESSAGES {
        send(client, r#"{"message":"one"}"#)?;
    }
    send(client, r#"{"message":""}"#)?;
    for (path, settings) in [
        (CONSUMER, "{}"),
        (WEBHOOK, r#"{"url":"https://example.org/"}"#),
    ] {
        let created = client.put(path, settings).map_err(|e| e.to_string())?;
        if created.status != 201 {
            return Err(format!("{path}: {}", created.body));
        }
    }
    Ok(())
}

fn send(client: &mut HttpClient, body: &str) -> Result<String, String> {
    ask(client, "/api/v1/message", Some(body))
}

fn ask(client: &mut HttpClient, path: &str, body: Option<&str>) -> Result<String, String> {
    let response = match body {
        Some(body) => client.post(path, "", body),
        None => client.get(path),
    };
    response
        .map(|response| response.body)
        .map_err(|error| format!("{path}: {error}"))
}

/// Adds the sample of a line of the exposition, if there is one.
fn read(samples: &mut Samples, line: &str) {
    let Some((series, _)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else {
        return;
    };
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let of_name = samples.entry(name.to_owned()).or_default();
    for label in labels.trim_end_matches('}').split("\",") {
        if let Some((label, value)) = label.split_once("=\"") {
            let values = of_name.entry(label.to_owned()).or_default();
            values.insert(value.trim_end_matches('"').to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_its_name_and_labels() {
        let mut samples = Samples::new();
        for line in [
            "# HELP app_up Whether.",
            r#"app_up{endpoint="/topics/{topic}/messages",code="200"} 1"#,
            "app_open 3",
        ] {
            read(&mut samples, line);
        }
        let names: Vec<_> = samples.keys().collect();
        assert_eq!(names, ["app_open", "app_up"]);
        let expected = BTreeSet::from(["/topics/{topic}/messages".to_owned()]);
        assert_eq!(samples["app_up"]["endpoint"], expected);
        assert_eq!(samples["app_up"].len(), 2);
    }
}
