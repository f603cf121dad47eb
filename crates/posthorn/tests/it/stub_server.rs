//! A server whose responses a test writes byte by byte.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{PATIENCE, posthorn};

/// A listener whose connections the test accepts, and a directory for the commands.
pub(crate) struct StubServer {
    directory: TempDir,
    listener: TcpListener,
}

impl StubServer {
    pub(crate) async fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    /// `posthorn tail inbox --json` against this server.
    pub(crate) fn tail(&self, arguments: &[&str]) -> Command {
        self.command(&[&["tail", "inbox", "--json"], arguments].concat())
    }

    /// The binary with these arguments against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = posthorn(self.directory.path());
        let url = format!("http://{}", self.listener.local_addr().unwrap());
        command
            .args(arguments)
            .env("POSTHORN_URL", url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Accepts a connection and reads its whole request; returns the id that it resumes after.
    ///
    /// A connection that is closed with bytes unread is reset, and the client may lose its response.
    pub(crate) async fn accept(&self) -> (TcpStream, Option<String>) {
        let (mut connection, _) = timeout(PATIENCE, self.listener.accept())
            .await
            .expect("it connects")
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let length = field("content-length: ").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.unwrap();
        let id = field("last-event-id: ").map(ToOwned::to_owned);
        (connection, id)
    }
}
