//! The body of a pull's response. Its leases stay only once actix-http has taken the bytes for a client
//! that is still there.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use futures_util::FutureExt;
use posthorn_application::DeliveryGuard;
use posthorn_http1::ClientDisconnected;

/// JSON, and the guard of the leases in it.
pub(super) struct DeliveredBody {
    json: Bytes,
    guard: Option<DeliveryGuard>,
    disconnected: ClientDisconnected,
}

impl DeliveredBody {
    pub(super) fn new(request: &HttpRequest, json: Vec<u8>, guard: DeliveryGuard) -> Self {
        Self {
            json: json.into(),
            guard: Some(guard),
            disconnected: request.conn_data().cloned().unwrap_or_default(),
        }
    }
}

impl MessageBody for DeliveredBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.json.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Some(guard) = self.guard.take() else {
            return Poll::Ready(None);
        };
        // A client that has gone gets nothing: dropping the guard gives its leases back.
        if self.disconnected.wait().now_or_never().is_none() {
            guard.delivered();
        }
        Poll::Ready(Some(Ok(std::mem::take(&mut self.json))))
    }
}
