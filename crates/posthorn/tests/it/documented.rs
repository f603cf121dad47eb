//! The commands that the documentation shows work as they stand there.

use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{Server, posthorn};

/// The notification of Alertmanager about two alerts (webhook version 4).
const NOTIFICATION: &str = include_str!("documented/alertmanager.json");

/// The blocks of shell commands in a document.
fn commands(document: &str) -> Vec<String> {
    blocks(document, "sh")
}

/// The blocks of a language in a document.
pub(crate) fn blocks(document: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let begin = format!("```{language}\n");
    let blocks = text.split(&begin).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// Runs a block with the address of the server, and `posthorn` on the path.
async fn run(server: &Server, directory: &TempDir, block: &str) {
    run_with(server, directory, block, "").await;
}

/// Runs a block that has one argument.
async fn run_with(server: &Server, directory: &TempDir, block: &str, argument: &str) {
    let script = block.replace("http://127.0.0.1:5000", &server.url);
    let script = script.replace("https://inbox.example", &server.url);
    let binary = posthorn(directory.path());
    let binary = Path::new(binary.as_std().get_args().last().unwrap())
        .parent()
        .unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-e", "-c", &script, "sh", argument])
        .env("PATH", path)
        .env("POSTHORN_URL", &server.url)
        .current_dir(directory.path())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{block}\n{text}\n{errors}");
    assert!(!text.contains("/problems/"), "{block}\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shortest_ways_to_send_store_their_messages() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let blocks = commands("API.md");
    for block in &blocks[..4] {
        run(&server, &directory, block).await;
    }
    let texts = server.all_texts("house").await;
    let open = "The door is open";
    assert_eq!(texts, [open, open, open, open, "The door is closed"]);
    let page = server.get_json("/api/v1/topics/house/messages").await;
    let rooms: Vec<_> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["attributes"]["room"].as_str())
        .collect();
    assert_eq!(rooms, [None, Some("hall"), Some("hall"), None, None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipes_of_a_shell_store_their_messages() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    std::fs::write(directory.path().join("readings.log"), "21.5\n21.7\n").unwrap();
    let blocks = commands("RECIPES.md");
    for wanted in [
        "/usr/local/bin/backup",
        "posthorn send \"",
        "readings.log",
        "wget",
    ] {
        let block = blocks.iter().find(|block| block.contains(wanted)).unwrap();
        run(&server, &directory, block).await;
    }
    let cron = server.get_json("/api/v1/topics/cron/messages").await;
    assert_eq!(cron["messages"].as_array().unwrap().len(), 2);
    for message in cron["messages"].as_array().unwrap() {
        assert_eq!(message["attributes"]["job"], "backup");
    }
    assert_eq!(server.all_texts("readings").await, ["21.5", "21.7", "21.5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_a_log_stores_each_line_once() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let file = |name: &str| directory.path().join(name);
    let blocks = commands("RECIPES.md");
    let block = blocks.iter().find(|block| block.contains("readings.log"));
    let block = block.unwrap();
    run(&server, &directory, block).await;
    // Two logs of one day.
    for log in ["1\n2\n", "3\n"] {
        std::fs::write(file("readings.log"), log).unwrap();
        run(&server, &directory, block).await;
        assert!(!file("readings.log").exists() && !file("readings.sending").exists());
    }
    // A run that ended before it removed what it had sent, and a log that was written since.
    std::fs::write(file("readings.sending"), "3\n").unwrap();
    std::fs::write(file("readings.log"), "4\n").unwrap();
    run(&server, &directory, block).await;
    run(&server, &directory, block).await;
    assert_eq!(server.all_texts("readings").await, ["1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_cron_sends_the_end_of_any_output() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    // The cut is inside a character for one of the lengths.
    let paddings = ["x", "xx", "xxx"];
    for padding in paddings {
        // U+0080 to U+009F are control characters, and U+0420 has a byte of that range.
        let controls = "\u{1b}[31m\u{80}\u{9f}\u{7f}Р\u{a0}";
        let text = format!("{}{controls}\r\n{padding}", "ошибка ".repeat(100));
        let job = format!("printf '%s' '{text}'; exit 3");
        let blocks = commands("RECIPES.md");
        let block = blocks
            .iter()
            .find(|block| block.contains("/usr/local/bin/backup"));
        let block = block.unwrap().replace("/usr/local/bin/backup", "sh ./job");
        std::fs::write(directory.path().join("job"), job).unwrap();
        run(&server, &directory, &block).await;
    }
    let texts = server.all_texts("cron").await;
    assert_eq!(texts.len(), paddings.len());
    for (text, padding) in texts.iter().zip(paddings) {
        let end = format!("ошибка [31mР\u{a0}\n{padding}\nexit code 3");
        assert!(text.ends_with(&end) && text.len() > 890, "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_alertmanager_stores_each_alert() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let blocks = commands("RECIPES.md");
    let script = blocks.iter().find(|block| block.contains(".alerts[]"));
    run_with(&server, &directory, script.unwrap(), NOTIFICATION).await;
    let page = server.get_json("/api/v1/topics/alerts/messages").await;
    let messages = page["messages"].as_array().unwrap();
    let texts: Vec<_> = messages.iter().map(|message| &message["message"]).collect();
    assert_eq!(
        texts,
        [
            "firing: The disk of db-1 is 91 % full",
            "resolved: PodRestarts"
        ]
    );
    let first = &messages[0]["attributes"];
    assert_eq!(first["alert"], "DiskFull");
    assert_eq!(first["severity"], "warning");
    assert_eq!(first["started"], "2026-11-28T20:15:00.000Z");
    assert_eq!(messages[1]["attributes"]["severity"], "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipe_for_github_stores_a_message() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory, &[]).await;
    let blocks = blocks("RECIPES.md", "yaml");
    let step = blocks.iter().find(|block| block.contains("GITHUB_RUN_ID"));
    // The folded text of `run`, as YAML joins it, with the variables that the runner sets.
    let lines = step.unwrap().lines().skip(1);
    let folded: Vec<_> = lines.take_while(|line| line.starts_with("    ")).collect();
    let variables =
        "GITHUB_REPOSITORY=acme/shop GITHUB_WORKFLOW='Build & test' GITHUB_RUN_ID=4711; ";
    let command = [variables, &folded.join(" ")].concat();
    run(&server, &directory, &command).await;
    let page = server.get_json("/api/v1/topics/builds/messages").await;
    let message = &page["messages"][0];
    assert_eq!(message["message"], "acme/shop: Build & test failed");
    assert_eq!(message["attributes"]["run"], "4711");
}
