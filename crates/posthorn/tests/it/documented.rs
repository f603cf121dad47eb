//! The commands that the documentation shows work as they stand there.

use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{Server, posthorn};

/// The blocks of shell commands in a document.
fn commands(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// Runs a block with the address of the server, and `posthorn` on the path.
async fn run(server: &Server, directory: &TempDir, block: &str) {
    let script = block.replace("http://127.0.0.1:5000", &server.url);
    let binary = posthorn(directory.path());
    let binary = Path::new(binary.as_std().get_args().last().unwrap())
        .parent()
        .unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-e", "-c", &script])
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
