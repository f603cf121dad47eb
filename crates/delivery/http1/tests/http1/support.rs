//! A client of an application that the crate serves over an in-memory byte stream.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BodyStream, BoxBody};
use actix_http::error::DispatchError;
use actix_http::{Extensions, Request, Response, StatusCode};
use actix_service::{Service, ServiceFactory, fn_service};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use posthorn_http1::{
    BodyState, ClientDisconnected, ConnectionHooks, ConnectionSettings, ConnectionSlots,
    HeaderLines, OnWritten, RequestTracker, connection_service,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::memory_io::MemoryIo;

pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What the connection reported to its application.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) open: Cell<i32>,
    pub(crate) slow_readers: Cell<u32>,
    /// The bytes that wait for the clients to read.
    pub(crate) unread: Cell<usize>,
    /// The most of them; no limit when `None`.
    pub(crate) most_unread: Cell<Option<usize>>,
    pub(crate) errors: RefCell<Vec<u16>>,
    /// How many requests the application got.
    pub(crate) requests: Cell<u32>,
    /// How many responses of `/watched` were written whole.
    pub(crate) written: Cell<u32>,
    /// How many of them were given up.
    pub(crate) unwritten: Cell<u32>,
    /// Lets the handlers of `/slow`, `/read-late` and `/watched` continue.
    pub(crate) release: Notify,
}

impl ConnectionHooks for Recorder {
    fn opened(&self, _peer: Option<SocketAddr>) -> bool {
        self.open.set(self.open.get() + 1);
        true
    }

    fn closed(&self, _peer: Option<SocketAddr>) {
        self.open.set(self.open.get() - 1);
    }

    fn unread_changed(&self, before: usize, now: usize) -> bool {
        let unread = self.unread.get() - before + now;
        let fits = now <= before || self.most_unread.get().is_none_or(|most| unread <= most);
        if fits {
            self.unread.set(unread);
        }
        fits
    }

    fn slow_reader_cut_off(&self) {
        self.slow_readers.set(self.slow_readers.get() + 1);
    }

    fn add_connection_data(&self, peer: Option<SocketAddr>, data: &mut Extensions) {
        data.insert(peer);
    }

    fn error_response(
        &self,
        status: StatusCode,
        _peer: Option<SocketAddr>,
        lines: &HeaderLines,
    ) -> Response<BoxBody> {
        lines.push("x-line", b"yes");
        self.errors.borrow_mut().push(status.as_u16());
        Response::build(status)
            .insert_header(("x-complete", "yes"))
            .body("an error")
            .map_into_boxed_body()
    }
}

/// A client with a connection of its own.
pub(crate) struct Client {
    pub(crate) stream: DuplexStream,
    /// Set, the server's operating system knows that the client is gone.
    pub(crate) is_gone: Rc<Cell<bool>>,
    pub(crate) recorder: Rc<Recorder>,
    server: JoinHandle<Result<(), DispatchError>>,
}

/// Runs a test on this thread. A connection that never ends fails it after a day of the paused clock, and a
/// connection that wakes itself for ever, in which time this clock stands still, after many polls.
pub(crate) async fn run(test: impl Future<Output = ()>) {
    const MAX_POLLS: u32 = 100_000;
    let limited = tokio::time::timeout(Duration::from_hours(24), test);
    let mut limited = pin!(limited);
    let mut polls = 0;
    let counted = poll_fn(|cx| {
        polls += 1;
        assert!(polls < MAX_POLLS, "a task wakes itself for ever");
        limited.as_mut().poll(cx)
    });
    LocalSet::new().run_until(counted).await.expect("in time");
}

impl Client {
    /// Connects over a stream that holds `buffer` bytes in each direction.
    pub(crate) async fn connect(buffer: usize) -> Self {
        Self::connect_to(buffer, ConnectionSlots::new(1)).await
    }

    /// Connects to a worker that has `slots`.
    pub(crate) async fn connect_to(buffer: usize, slots: ConnectionSlots) -> Self {
        let settings = ConnectionSettings {
            header_timeout: HEADER_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            max_connections: 1,
        };
        let recorder = Rc::new(Recorder::default());
        let handlers = Rc::clone(&recorder);
        let app = fn_service(move |request| handle(request, Rc::clone(&handlers)));
        let shutdown = std::future::pending::<()>;
        let factory = connection_service(settings, slots, shutdown, recorder.clone(), app);
        let service = factory.new_service(()).await.unwrap();
        let (stream, server) = tokio::io::duplex(buffer);
        let is_gone = Rc::new(Cell::new(false));
        let io = MemoryIo {
            stream: server,
            has_ended: Rc::clone(&is_gone),
        };
        let server = spawn_local(async move { service.call((io, None)).await });
        Self {
            stream,
            is_gone,
            recorder,
            server,
        }
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<str>) {
        let bytes = text.as_ref().as_bytes();
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads up to the end of a head.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads `length` bytes.
    pub(crate) async fn body(&mut self, length: usize) -> String {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    /// Reads until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).await.unwrap();
        rest
    }

    /// Waits until the server has given the connection up, without reading.
    pub(crate) async fn given_up(&mut self) {
        let _ = (&mut self.server).await.unwrap();
        assert_eq!(self.recorder.open.get(), 0);
    }
}

async fn handle(
    request: Request,
    recorder: Rc<Recorder>,
) -> Result<Response<BoxBody>, Response<BoxBody>> {
    recorder.requests.set(recorder.requests.get() + 1);
    let lines: HeaderLines = request.conn_data().cloned().unwrap();
    lines.push("x-line", b"yes");
    let mut response = Response::build(StatusCode::OK);
    response.insert_header(("x-request-id", "1"));
    Ok(match request.path() {
        "/slow" => {
            recorder.release.notified().await;
            response.body("hello").map_into_boxed_body()
        }
        "/read-late" => {
            recorder.release.notified().await;
            let body = read(request).await;
            response.body(body.to_string()).map_into_boxed_body()
        }
        "/watched" => {
            recorder.release.notified().await;
            let on_written: OnWritten = request.conn_data().cloned().unwrap();
            let chunk = stream::once(async move {
                let watched = Watched(Some(recorder));
                on_written.set(move || watched.written());
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 10_000]))
            });
            response.body(BodyStream::new(chunk)).map_into_boxed_body()
        }
        "/large" => response.body("x".repeat(1_000_000)).map_into_boxed_body(),
        "/endless" => {
            let guard = request.conn_data().map(RequestTracker::start);
            let chunks = stream::repeat_with(move || {
                let _ = &guard;
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024]))
            });
            response.body(BodyStream::new(chunks)).map_into_boxed_body()
        }
        "/stream" => {
            let disconnected: ClientDisconnected = request.conn_data().cloned().unwrap();
            let guard = request.conn_data().map(RequestTracker::start);
            let events = stream::once(async move {
                disconnected.wait().await;
                drop(guard);
                Err(std::io::Error::other("the client disconnected"))
            });
            response.body(BodyStream::new(events)).map_into_boxed_body()
        }
        _ => response.body("hello").map_into_boxed_body(),
    })
}

/// Counts a response as written or, if it is dropped before, as unwritten.
struct Watched(Option<Rc<Recorder>>);

impl Watched {
    fn written(mut self) {
        let recorder = self.0.take().unwrap();
        recorder.written.set(recorder.written.get() + 1);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(recorder) = &self.0 {
            recorder.unwritten.set(recorder.unwritten.get() + 1);
        }
    }
}

/// Reads a body to its end; returns its length.
async fn read(mut request: Request) -> usize {
    let requests: RequestTracker = request.conn_data().cloned().unwrap();
    let mut payload = request.take_payload();
    let _demand = requests.demand_body(0);
    let mut length = 0;
    while let Some(chunk) = payload.next().await {
        length += chunk.unwrap().len();
    }
    requests.set_body_state(BodyState::Complete);
    length
}
