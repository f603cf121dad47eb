//! A collector of traces: OTLP over HTTP, as Protocol Buffers.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::PATIENCE;

/// A collector that keeps what it receives.
pub(crate) struct Collector {
    pub(crate) url: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    bytes: Vec<u8>,
    exports: Vec<ExportTraceServiceRequest>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/otlp", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Received>>::default();
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(collect(connection, Arc::clone(&kept)));
            }
        });
        Self { url, received }
    }

    /// True if some request had these bytes, in its head or its body.
    pub(crate) fn holds(&self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let received = self.received.lock().unwrap();
        received
            .bytes
            .windows(bytes.len())
            .any(|part| part == bytes)
    }

    /// Waits for a request with these bytes.
    pub(crate) async fn receives(&self, bytes: impl AsRef<[u8]>) {
        posthorn_testkit::eventually(PATIENCE, async || self.holds(&bytes)).await;
    }

    /// The spans so far, in the order of their ends.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let resources = received
            .exports
            .iter()
            .flat_map(|export| &export.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// Waits for the first span that `is_wanted`.
    pub(crate) async fn span(&self, is_wanted: impl Fn(&Span) -> bool) -> Span {
        let mut found = None;
        posthorn_testkit::eventually(PATIENCE, async || {
            found = self.spans().into_iter().find(&is_wanted);
            found.is_some()
        })
        .await;
        found.unwrap()
    }
}

/// The value of an attribute as text; `None` if the span does not have it.
pub(crate) fn attribute(span: &Span, name: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    attributes.find(|one| one.key == name).map(text)
}

fn text(attribute: &KeyValue) -> String {
    let value = attribute.value.as_ref().and_then(|any| any.value.as_ref());
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Keeps heads and bodies, and responds to each request.
async fn collect(mut connection: TcpStream, received: Arc<Mutex<Received>>) {
    let mut request = Vec::new();
    loop {
        let mut part = vec![0; 65_536];
        let Ok(length @ 1..) = connection.read(&mut part).await else {
            return;
        };
        request.extend_from_slice(&part[..length]);
        let Some(end) = request.windows(4).position(|part| part == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let body = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse::<usize>().unwrap());
        if request.len() < end + 4 + body {
            continue;
        }
        let export = ExportTraceServiceRequest::decode(&request[end + 4..]).unwrap();
        {
            let mut received = received.lock().unwrap();
            received.bytes.append(&mut request);
            received.exports.push(export);
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
}
