//! A receiver of webhooks whose behaviour the path chooses. It records every request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// More than any receiver needs to say.
const ENDLESS: usize = 100 * 1024 * 1024;

/// A request to the receiver.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
    /// How much of the endless response was taken.
    endless: usize,
}

/// Listens on a free port until it is dropped.
pub(crate) struct Receiver {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that goes away ends its connection only.
                    let _ = serve(connection, &seen).await;
                });
            }
        });
        Self { url, seen, task }
    }

    /// The requests to `path`, in their order.
    pub(crate) fn requests(&self, path: &str) -> Vec<Received> {
        let seen = self.seen.lock().unwrap();
        let requests = seen.requests.iter();
        requests.filter(|one| one.path == path).cloned().collect()
    }

    /// The bytes of the endless response that were taken.
    pub(crate) fn endless(&self) -> usize {
        self.seen.lock().unwrap().endless
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Received {
    /// The text of the message.
    pub(crate) fn text(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["data"]["message"].as_str().unwrap().to_owned()
    }
}

async fn serve(connection: TcpStream, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let mut stream = BufReader::new(connection);
    let request = read(&mut stream).await?;
    let path = request.path.clone();
    let before = {
        let mut seen = seen.lock().unwrap();
        let before = seen.requests.iter().filter(|one| one.path == path).count();
        seen.requests.push(request);
        before
    };
    let mut connection = stream.into_inner();
    let status = match (path.as_str(), before) {
        ("/500", _) => "500 Internal Server Error\r\n",
        ("/redirect", _) => "302 Found\r\nLocation: /private\r\n",
        ("/gone", 0) => "410 Gone\r\n",
        (path, _) if path.starts_with("/410") => "410 Gone\r\n",
        ("/later", 0) => "503 Service Unavailable\r\nRetry-After: 1\r\n",
        ("/hang", _) => std::future::pending().await,
        ("/slow", _) => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            "204 No Content\r\n"
        }
        ("/reset", _) => {
            connection.set_zero_linger()?;
            return Ok(());
        }
        ("/endless", _) => return endless(connection, seen).await,
        _ => "204 No Content\r\n",
    };
    let response = format!("HTTP/1.1 {status}Content-Length: 0\r\nConnection: close\r\n\r\n");
    let response = response.replace(
        "204 No Content\r\nContent-Length: 0\r\n",
        "204 No Content\r\n",
    );
    connection.write_all(response.as_bytes()).await?;
    connection.shutdown().await
}

async fn endless(mut connection: TcpStream, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n");
    connection.write_all(head.as_bytes()).await?;
    let block = vec![b'x'; 64 * 1024];
    for _ in 0..ENDLESS / block.len() {
        connection.write_all(&block).await?;
        seen.lock().unwrap().endless += block.len();
    }
    Ok(())
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines[0].split(' ').nth(1).unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or("0", String::as_str);
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await?;
    Ok(Received {
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
        at: Instant::now(),
    })
}
