//! A receiver of raw HTTP whose bytes the tests choose.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the receiver does with each request.
#[derive(Clone, Copy)]
pub(crate) enum Script {
    /// Writes these bytes and keeps the connection.
    Write(&'static str),
    /// Writes these bytes without a request and keeps the connection.
    Greet(&'static str),
    /// Writes these bytes, then the second ones again and again, with a pause before each.
    Repeat(&'static str, &'static str, Duration),
    /// Writes these bytes, then zeros without end.
    Flood(&'static str),
    /// Writes nothing and keeps the connection.
    Hang,
    /// Closes the connection after the request.
    Close,
    /// Responds with 204 to the first request of a connection, and closes it after the second one.
    CloseSecond,
    /// Closes the connection before it reads, which resets it.
    Reset,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            written: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, written) = (&receiver.connections, &receiver.written);
        let (connections, written) = (Arc::clone(connections), Arc::clone(written));
        let requests = Arc::clone(&receiver.requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (written, requests) = (Arc::clone(&written), Arc::clone(&requests));
                tokio::spawn(serve(stream, script, written, requests));
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The bytes that the sender or its kernel took.
    pub(crate) fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Script,
    written: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    if matches!(script, Script::Reset) {
        // With data that was not read the kernel resets the connection.
        let _ = stream.readable().await;
        return;
    }
    if let Script::Greet(bytes) = script {
        stream.write_all(bytes.as_bytes()).await.unwrap();
        return std::future::pending().await;
    }
    let mut is_second = false;
    while let Some(request) = read_request(&mut stream).await {
        requests.lock().unwrap().push(request);
        match script {
            Script::Write(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
            Script::Repeat(head, again, pause) => {
                let mut bytes = head;
                while stream.write_all(bytes.as_bytes()).await.is_ok() {
                    bytes = again;
                    tokio::time::sleep(pause).await;
                }
                return;
            }
            Script::Flood(head) => {
                stream.write_all(head.as_bytes()).await.unwrap();
                let zeros = vec![0; 65_536];
                while stream.write_all(&zeros).await.is_ok() {
                    written.fetch_add(zeros.len(), Ordering::Relaxed);
                }
                return;
            }
            Script::CloseSecond if !is_second => {
                is_second = true;
                stream
                    .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                    .await
                    .unwrap();
            }
            Script::Hang => std::future::pending().await,
            Script::Close | Script::CloseSecond | Script::Reset | Script::Greet(_) => return,
        }
    }
}

/// Reads a request with a `Content-Length`; `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let lines = head.to_ascii_lowercase();
        let length = lines
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap_or("0").parse().unwrap();
        if body.len() >= length {
            return Some(text);
        }
    }
}
