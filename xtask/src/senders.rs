//! `cargo xtask senders`: programs that others wrote send messages to a server, unchanged: `wget`, `curl`,
//! httpie, Apprise, and the `CloudEvents` SDKs of Python, JavaScript and Rust. Each message has to be stored
//! with its text and its attributes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::http_client::HttpClient;
use crate::process::{self, Process};
use crate::programs::{ensure_package, install_package};
use crate::shell::output;

const REQUIREMENTS: &str = include_str!("senders/requirements.txt");
const EVENTS_PY: &str = include_str!("senders/events.py");
const EVENTS_JS: &str = include_str!("senders/events.mjs");
const EVENTS_RS: &str = include_str!("senders/events.rs.txt");
const EVENTS_TOML: &str = include_str!("senders/events.toml");
const JS_SDK: &str = "cloudevents@10.0.0";

/// A running server and the installed senders.
struct Senders {
    address: SocketAddr,
    directory: PathBuf,
    client: HttpClient,
}

/// Runs every sender and checks what it stored.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    for (program, package) in [("wget", "wget"), ("curl", "curl"), ("npm", "npm")] {
        ensure_package(program, package)?;
    }
    let directory = root.join("target/senders");
    install(&directory)?;
    build_events(&directory)?;
    let binary = crate::binary::debug(root)?;
    let address = process::free_address()?;
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut server = start(&binary, address, work.path())?;
    let is_up = || {
        HttpClient::new(address)
            .get("/health/ready")
            .is_ok_and(|r| r.status == 200)
    };
    server.wait_for(is_up)?;
    let mut senders = Senders {
        address,
        directory,
        client: HttpClient::new(address),
    };
    senders.command_line()?;
    senders.apprise()?;
    senders.events()?;
    println!("every sender stored its messages");
    server.terminate().map(drop)
}

fn start(binary: &Path, address: SocketAddr, directory: &Path) -> Result<Process, String> {
    let mut command = Command::new(binary);
    command.env_clear().current_dir(directory).envs([
        ("PORT", address.port().to_string().as_str()),
        ("STORE_URL", "memory:"),
        ("RATE_LIMIT_ENABLED", "false"),
    ]);
    Process::start("posthorn", &mut command, &directory.join("server.log"))
}

/// Installs the senders of `PyPI` and npm; a second call does nothing until the lists change.
fn install(directory: &Path) -> Result<(), String> {
    let wanted = [REQUIREMENTS, JS_SDK, EVENTS_TOML, EVENTS_RS].concat();
    let stamp = directory.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let has_venv = output(Command::new("python3").args(["-c", "import venv, ensurepip"]));
    if has_venv.is_err() {
        install_package("python3-venv")?;
    }
    output(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(directory),
    )?;
    let write = |name: &str, text: &str| {
        fs::write(directory.join(name), text).map_err(|error| error.to_string())
    };
    write("requirements.txt", REQUIREMENTS)?;
    write("events.py", EVENTS_PY)?;
    write("events.mjs", EVENTS_JS)?;
    // A package of its own, so that the SDK is not among the dependencies of this workspace.
    let package = directory.join("rust");
    fs::create_dir_all(&package).map_err(|error| error.to_string())?;
    write("rust/Cargo.toml", EVENTS_TOML)?;
    write("rust/main.rs", EVENTS_RS)?;
    let mut pip = Command::new(directory.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    output(
        pip.arg("--requirement")
            .arg(directory.join("requirements.txt")),
    )?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--silent",
        "--no-save",
        "--ignore-scripts",
        "--prefix",
    ]);
    output(npm.arg(directory).arg(JS_SDK))?;
    write("installed.txt", &wanted)
}

/// Builds the sender in Rust, before the server runs: its connections do not wait for a compiler.
fn build_events(directory: &Path) -> Result<(), String> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--manifest-path"])
        .arg(directory.join("rust/Cargo.toml"))
        .arg("--target-dir")
        .arg(directory.join("rust/target"));
    output(&mut cargo).map(drop)
}

impl Senders {
    fn url(&self, topic: &str) -> String {
        format!("http://{}/api/v1/topics/{topic}/messages", self.address)
    }

    fn installed(&self, name: &str) -> Command {
        Command::new(self.directory.join("bin").join(name))
    }

    /// Checks the messages of a topic: their texts and attributes, in order.
    fn check(&mut self, topic: &str, expected: &Value) -> Result<(), String> {
        let path = format!("/api/v1/topics/{topic}/messages");
        let page = self.client.get(&path).map_err(|error| error.to_string())?;
        let page: Value = serde_json::from_str(&page.body).map_err(|error| error.to_string())?;
        let messages = page.get("messages").and_then(Value::as_array);
        let member = |message: &Value, name| message.get(name).cloned().unwrap_or_default();
        let found: Vec<Value> = messages
            .into_iter()
            .flatten()
            .map(|message| json!([member(message, "message"), member(message, "attributes")]))
            .collect();
        if json!(found) == *expected {
            println!("{topic}: stored as sent");
            Ok(())
        } else {
            Err(format!(
                "{topic}: expected {expected}, found {}",
                json!(found)
            ))
        }
    }

    fn command_line(&mut self) -> Result<(), String> {
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
            let mut http = self.installed("http");
            output(http.args(options).args(arguments)).map(drop)
        };
        send(&["POST", &url, "message=json"])?;
        send(&["--form", "POST", &url, "message=form", "room=hall"])?;
        send(&["--raw", "text", "POST", &url, "Content-Type:text/plain"])?;
        let expected = json!([["json", {}], ["form", {"room": "hall"}], ["text", {}]]);
        self.check("httpie", &expected)
    }

    fn apprise(&mut self) -> Result<(), String> {
        let of = |scheme: &str, query: &str| {
            format!(
                "{scheme}://{}/api/v1/topics/apprise/messages{query}",
                self.address
            )
        };
        let json = of("json", "?:version=&:title=&:type=&:attachments=");
        for url in [of("form", ""), json] {
            let mut apprise = self.installed("apprise");
            output(apprise.args(["-t", "Backup", "-b", "It failed", &url]))?;
        }
        let fields = json!({"title": "Backup", "type": "info", "version": "1.0"});
        self.check(
            "apprise",
            &json!([["It failed", fields], ["It failed", {}]]),
        )
    }

    fn events(&mut self) -> Result<(), String> {
        let mut python = Command::new(self.directory.join("bin/python"));
        python.arg(self.directory.join("events.py"));
        let mut node = Command::new("node");
        node.arg(self.directory.join("events.mjs"));
        let rust = Command::new(self.directory.join("rust/target/debug/events"));
        for (topic, mut command) in [("python", python), ("node", node), ("rust", rust)] {
            command.arg(self.url(topic));
            output(command.current_dir(&self.directory))?;
            let path = format!("/api/v1/topics/{topic}/messages");
            let page = self.client.get(&path).map_err(|error| error.to_string())?;
            let page: Value = serde_json::from_str(&page.body).map_err(|e| e.to_string())?;
            let messages = page.get("messages").and_then(Value::as_array);
            let messages: Vec<&Value> = messages.into_iter().flatten().collect();
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
