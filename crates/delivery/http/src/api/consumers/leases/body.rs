//! The body of a pull's response. Its leases stay only once actix-http has taken the bytes for a client
//! that is still there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use posthorn_application::DeliveryGuard;
use posthorn_http1::ClientDisconnected;

/// JSON, and the guard of the leases in it.
pub(super) struct DeliveredBody {
    /// Ends once the runtime has looked at the sockets. Before that, the client may have disconnected without the
    /// connection having noticed.
    look: Option<Pin<Box<dyn Future<Output = ()>>>>,
    json: Bytes,
    guard: Option<DeliveryGuard>,
    disconnected: ClientDisconnected,
}

impl DeliveredBody {
    pub(super) fn new(request: &HttpRequest, json: Vec<u8>, guard: DeliveryGuard) -> Self {
        Self {
            look: Some(Box::pin(tokio::task::yield_now())),
            json: json.into(),
            guard: Some(guard),
            disconnected: request.conn_data().cloned().unwrap_or_default(),
        }
    }
}

impl MessageBody for DeliveredBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.json.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(look) = &mut self.look {
            ready!(look.as_mut().poll(cx));
            self.look = None;
        }
        let Some(guard) = self.guard.take() else {
            return Poll::Ready(None);
        };
        // A client that may be gone gets no part of the body: dropping the guard gives its leases back.
        if self.disconnected.is_disconnected() {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
        }
        guard.delivered();
        Poll::Ready(Some(Ok(std::mem::take(&mut self.json))))
    }
}
