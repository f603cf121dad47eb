//! `cargo xtask senders`: programs that others wrote send messages to a server, unchanged: `wget`, `curl`,
//! httpie, Apprise, and the `CloudEvents` SDKs of Python, JavaScript and Rust. Each message has to be stored
//! with its text and its attributes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::packages::Packages;
use super::server::Server;
use crate::programs::ensure_package;
use crate::shell::output;

const EVENTS_PY: &str = include_str!("senders/events.py");
const EVENTS_JS: &str = include_str!("senders/events.mjs");
const EVENTS_RS: &str = include_str!("senders/events.rs.txt");
const EVENTS_TOML: &str = include_str!("senders/events.toml");

/// A running server and the installed senders.
struct Senders {
    packages: Packages,
    server: Server,
}

/// Runs every sender and checks what it stored.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    for program in ["wget", "curl"] {
        ensure_package(program, program)?;
    }
    let packages = Packages::install(root)?;
    build_events(&packages)?;
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = Server::in_memory(root, work.path())?;
    let senders = Senders { packages, server };
    senders.command_line()?;
    senders.apprise()?;
    senders.events()?;
    println!("every sender stored its messages");
    senders.server.stop()
}

/// Builds the sender in Rust, before the server runs: its connections do not wait for a compiler. It is a package of
/// its own, so that the SDK is not among the dependencies of this workspace.
fn build_events(packages: &Packages) -> Result<(), String> {
    let package = packages.path("rust");
    fs::create_dir_all(&package).map_err(|error| error.to_string())?;
    let manifest = packages.write("rust/Cargo.toml", EVENTS_TOML)?;
    packages.write("rust/main.rs", EVENTS_RS)?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--manifest-path"]);
    cargo.arg(manifest).arg("--target-dir");
    output(cargo.arg(package.join("target"))).map(drop)
}

impl Senders {
    fn url(&self, topic: &str) -> String {
        self.server.url(&format!("/api/v1/topics/{topic}/messages"))
    }

    /// Checks the messages of a topic: their texts and attributes, in order.
    fn check(&self, topic: &str, expected: &Value) -> Result<(), String> {
        let messages = self.server.messages(topic)?;
        let member = |message: &Value, name| message.get(name).cloned().unwrap_or_default();
        let found: Vec<Value> = messages
            .iter()
            .map(|message| json!([member(message, "message"), member(message, "attributes")]))
            .collect();
        if json!(found) == *expected {
            println!("{topic}: stored as sent");
            return Ok(());
        }
        let found = json!(found);
        Err(format!("{topic}: expected {expected}, found {found}"))
    }

    fn command_line(&self) -> Result<(), String> {
        let url = self.url("wget");
        output(Command::new("wget").args([
            "-q",
            "-O",
            "-",
            "--post-data",
            "message=21.5&sensor=attic",
            &url,
        ]))?;
        self.check("wget", &json!([["21.5", {"sensor": "attic"}]]))?;

        let url = self.url("curl");
        output(Command::new("curl").args(["-sSf", "-d", "hi", &url]))?;
        output(Command::new("curl").args([
            "-sSf",
            "-F",
            "message=a form",
            "-F",
            "Room=hall",
            &url,
        ]))?;
        self.check("curl", &json!([["hi", {}], ["a form", {"room": "hall"}]]))?;

        let url = self.url("httpie");
        let options = ["--ignore-stdin", "--check-status"];
        let send = |arguments: &[&str]| {
            let mut http = self.packages.program("http");
            output(http.args(options).args(arguments)).map(drop)
        };
        send(&["POST", &url, "message=json"])?;
        send(&["--form", "POST", &url, "message=form", "room=hall"])?;
        send(&["--raw", "text", "POST", &url, "Content-Type:text/plain"])?;
        let expected = json!([["json", {}], ["form", {"room": "hall"}], ["text", {}]]);
        self.check("httpie", &expected)
    }

    fn apprise(&self) -> Result<(), String> {
        let of = |scheme: &str| {
            let address = self.server.address;
            format!("{scheme}://{address}/api/v1/topics/apprise/messages")
        };
        for url in [of("form"), of("json")] {
            let mut apprise = self.packages.program("apprise");
            output(apprise.args(["-t", "Backup", "-b", "It failed", &url]))?;
        }
        let fields = json!({"title": "Backup", "type": "info", "version": "1.0"});
        let expected = json!([["It failed", &fields], ["It failed", &fields]]);
        self.check("apprise", &expected)
    }

    fn events(&self) -> Result<(), String> {
        let python = self.packages.python("events.py", EVENTS_PY)?;
        let node = self.packages.node("events.mjs", EVENTS_JS)?;
        let rust = Command::new(self.packages.path("rust/target/debug/events"));
        for (topic, mut command) in [("python", python), ("node", node), ("rust", rust)] {
            output(command.arg(self.url(topic)))?;
            let messages = self.server.messages(topic)?;
            let found = messages.iter().zip(1..).filter(|(message, number)| {
                let has = |key: &str, value: String| {
                    let attributes = message.get("attributes");
                    attributes.and_then(|all| all.get(key)) == Some(&Value::from(value))
                };
                let text = message.get("message").and_then(Value::as_str);
                text.is_some_and(|text| text == format!("{{\"value\":{number}}}"))
                    && has("ce.id", format!("{topic}-{number}"))
                    && has("ce.source", format!("/{topic}"))
                    && has("ce.type", "org.example.reading".to_owned())
                    && has("ce.unit", "celsius".to_owned())
            });
            if found.count() != 4 || messages.len() != 4 {
                return Err(format!("{topic}: found {messages:?}"));
            }
            println!("{topic}: binary, structured and batched events are stored as sent");
        }
        Ok(())
    }
}
