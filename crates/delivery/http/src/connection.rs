//! One connection: answers that the HTTP library gives by itself become problem documents, a stream
//! hears that its reader has gone, and who keeps the server waiting is cut off.

mod alarm;
mod bare;
mod framing;
mod intake;
mod patience;
mod turns;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::web::{self, Buf, Bytes};
use bytes::BufMut;
use posthorn_application::Shed;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::io::poll_read_buf;

use crate::request::context::Client;
use crate::state::State;
use intake::Intake;
use patience::Patience;

pub(crate) use alarm::Alarm;
pub(crate) use turns::{Body, Turns};

/// A client's connection, as the HTTP library reads and writes it.
pub(crate) struct Connection {
    io: TcpStream,
    peer: Option<SocketAddr>,
    state: web::Data<State>,
    gone: Gone,
    turns: Turns,
    intake: Intake,
    patience: Patience,
    /// Whether the client has had its time.
    is_over: bool,
    /// What goes out in place of a bare answer, as far as it has not gone out.
    replacement: Option<Bytes>,
}

/// Tells that the client closed its sending half.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gone(Rc<Notify>);

impl Connection {
    pub(crate) fn new(io: TcpStream, peer: Option<SocketAddr>, state: web::Data<State>) -> Self {
        state.services.request_metrics.connection_changed(true);
        let turns = Turns::default();
        let settings = &state.settings;
        let patience = Patience::new(turns.clone(), settings.header_timeout, settings.keep_alive);
        Self {
            io,
            peer,
            state,
            gone: Gone::default(),
            intake: Intake::new(turns.clone()),
            turns,
            patience,
            is_over: false,
            replacement: None,
        }
    }

    /// What is told of its requests.
    pub(crate) fn turns(&self) -> Turns {
        self.turns.clone()
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Option<Client> {
        let address = self.peer?.ip().to_canonical();
        Some(Client::from(address))
    }

    /// What tells of the client's end.
    pub(crate) fn gone(&self) -> Gone {
        self.gone.clone()
    }

    /// Writes what is left of a replacement.
    fn poll_replacement(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(mut rest) = self.replacement.take() {
            if rest.is_empty() {
                break;
            }
            let outcome = self.poll_plain(cx, &rest);
            if let Poll::Ready(Ok(count)) = outcome {
                rest.advance(count);
            }
            self.replacement = Some(rest);
            if ready!(outcome)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes `buf` as it is. Once the client has read too little for too long, that is an error:
    /// the library may have stopped to read, so it has to be found here.
    fn poll_plain(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, buf);
        match &outcome {
            Poll::Pending => {
                self.patience.stall();
                if self.patience.poll(cx) {
                    return Poll::Ready(Err(self.too_slow()));
                }
            }
            Poll::Ready(Ok(count)) => {
                let was_stalled = self.patience.is_stalled();
                self.patience.wrote(*count, *count == buf.len());
                if was_stalled && !self.patience.is_stalled() {
                    // What came meanwhile was left where it was.
                    cx.waker().wake_by_ref();
                }
                // The library waits for the rest of a body without end.
                if self.turns.body() == Body::Open && self.patience.poll(cx) {
                    cx.waker().wake_by_ref();
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        outcome
    }

    /// Behind a request that is not answered: hears of the client's end, and keeps a little back.
    fn poll_behind(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(mut kept) = self.intake.behind() {
            match poll_read_buf(Pin::new(&mut self.io), cx, &mut kept) {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(outcome) => {
                    self.gone.0.notify_one();
                    outcome?;
                    self.intake.end();
                }
            }
        }
        self.intake.wait(cx);
        if self.patience.poll(cx) {
            return self.poll_over(cx);
        }
        Poll::Pending
    }

    /// The client reads too little: it is cut off, and what it has not read is let go.
    fn too_slow(&self) -> io::Error {
        let metrics = &self.state.services.request_metrics;
        metrics.request_shed(Shed::SlowReader);
        io::ErrorKind::TimedOut.into()
    }

    /// The end of a client that took too long between two requests. Half a head is answered, where
    /// nothing else waits to be read.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.patience.is_stalled() {
            return Poll::Ready(Err(self.too_slow()));
        }
        if !self.is_over {
            self.is_over = true;
            if self.patience.has_bytes() && self.turns.body() == Body::Ended {
                self.replacement = Some(bare::too_slow(&self.state, self.peer));
            }
        }
        // The library then closes, as after the end of what the client sends.
        self.poll_replacement(cx)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state
            .services
            .request_metrics
            .connection_changed(false);
    }
}

impl Gone {
    /// Returns once the client has closed its sending half: it may still read.
    pub(crate) async fn wait(&self) {
        self.0.notified().await;
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over {
            return self.poll_over(cx);
        }
        let is_stalled = self.patience.is_stalled();
        if self.intake.is_behind(is_stalled) {
            return self.poll_behind(cx);
        }
        if self.intake.hand_over(buf) {
            self.patience.read();
            return Poll::Ready(Ok(()));
        }
        if self.intake.has_ended() {
            return Poll::Ready(Ok(()));
        }
        let room = self.intake.room(is_stalled);
        let before = buf.filled().len();
        let has_space = buf.remaining() > 0;
        let outcome = if room > 0 {
            poll_read_buf(Pin::new(&mut self.io), cx, &mut (&mut *buf).limit(room))
        } else {
            Poll::Pending
        };
        let Poll::Ready(outcome) = outcome else {
            self.intake.rest(is_stalled, room, cx);
            if self.patience.poll(cx) {
                return self.poll_over(cx);
            }
            return Poll::Pending;
        };
        self.patience.read();
        let is_end = has_space && matches!(outcome, Ok(0));
        if outcome.is_err() || is_end {
            self.gone.0.notify_one();
        }
        Poll::Ready(outcome.map(|_| self.intake.keep_back(buf, before)))
    }
}

impl AsyncWrite for Connection {
    /// A bare answer is always the last one of its connection, so what is written ends with it:
    /// first goes what stands before it, then its replacement in its place.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.replacement.is_none() {
            let Some(found) = bare::find(buf) else {
                return this.poll_plain(cx, buf);
            };
            if !found.before.is_empty() {
                return this.poll_plain(cx, found.before);
            }
            this.replacement = Some(if this.turns.body() == Body::Ended {
                found.replacement(&this.state, this.peer)
            } else {
                // It is about the body of a request that has its answer.
                Bytes::new()
            });
        }
        // The library comes again with the same bytes until they are said to be written.
        ready!(this.poll_replacement(cx))?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
