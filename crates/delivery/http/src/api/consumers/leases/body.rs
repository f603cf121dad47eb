//! The body of a pull's response. Its leases stay only once it is written to a client that is still there.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use posthorn_application::DeliveryGuard;
use posthorn_http1::OnWritten;

/// JSON, and the guard of the leases in it.
pub(super) struct DeliveredBody {
    json: Bytes,
    guard: Option<DeliveryGuard>,
    on_written: OnWritten,
}

impl DeliveredBody {
    pub(super) fn new(request: &HttpRequest, json: Vec<u8>, guard: DeliveryGuard) -> Self {
        Self {
            json: json.into(),
            guard: Some(guard),
            on_written: request.conn_data().cloned().unwrap_or_default(),
        }
    }
}

impl MessageBody for DeliveredBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.json.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Some(guard) = self.guard.take() else {
            return Poll::Ready(None);
        };
        // If this is dropped without being run, so is the guard, which gives the leases back.
        self.on_written.set(move || guard.delivered());
        Poll::Ready(Some(Ok(std::mem::take(&mut self.json))))
    }
}
