//! The time limit of a request.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpRequest;
use posthorn_http1::SharedDeadline;
use tokio::time::Instant;

/// The deadline of a request. Its time starts when the request waits for the first time: the steps
/// before that take microseconds, and a request that never waits needs no timer.
pub(super) struct Deadline {
    timeout: Duration,
    at: Cell<Option<Instant>>,
    /// The connection's timer, which its requests share.
    timer: SharedDeadline,
}

/// The deadline has passed.
pub(super) struct Elapsed;

impl Deadline {
    pub(super) fn new(request: &HttpRequest, timeout: Duration) -> Self {
        Self {
            timeout,
            at: Cell::new(None),
            timer: request.conn_data().cloned().unwrap_or_default(),
        }
    }

    /// Runs `future` until the deadline. It is borrowed, so that it is not moved.
    pub(super) fn run<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = Result<F::Output, Elapsed>> {
        poll_fn(move |cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(cx).map(Err),
        })
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let at = self.at.get().unwrap_or_else(|| {
            let at = Instant::now() + self.timeout;
            self.at.set(Some(at));
            at
        });
        self.timer.poll(at, cx).map(|()| Elapsed)
    }
}
