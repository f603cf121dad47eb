//! The hooks of connections: metrics, and problem documents in place of the bare responses of
//! actix-http.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use actix_http::{Extensions, Response};
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{DATE, HttpDate, TryIntoHeaderValue};
use actix_web::web;
use posthorn_http1::{ConnectionHooks, HeaderLines};

use crate::middleware::access_log;
use crate::request::context::ClientAddress;
use crate::state::AppState;
use crate::state::metrics::Shed;
use crate::wire::problem::{ApiError, Code};

/// The hooks of the connections of one worker.
pub(super) struct ServerHooks {
    state: web::Data<AppState>,
}

impl ServerHooks {
    pub(super) fn new(state: web::Data<AppState>) -> Self {
        Self { state }
    }
}

impl ConnectionHooks for ServerHooks {
    fn opened(&self, peer: Option<SocketAddr>) -> bool {
        let metrics = &self.state.services.request_metrics;
        if let (Some(peer), Some(max)) = (peer, self.state.settings.connections_per_client())
            && !self.state.client_connections.add(peer.ip(), 1, max)
        {
            metrics.request_shed(Shed::ClientConnections);
            return false;
        }
        metrics.connection_changed(true);
        true
    }

    fn closed(&self, peer: Option<SocketAddr>) {
        let metrics = &self.state.services.request_metrics;
        metrics.connection_changed(false);
        if let (Some(peer), Some(_)) = (peer, self.state.settings.connections_per_client()) {
            self.state.client_connections.remove(peer.ip(), 1);
        }
    }

    fn unread_changed(&self, before: usize, now: usize) -> bool {
        let limit = &self.state.response_bytes;
        if now <= before {
            limit.remove(before - now);
            return true;
        }
        // Bodies that are counted as a whole are counted here once more, as far as they are written.
        let fits = limit.add(now - before, self.state.settings.max_unread_bytes());
        if !fits {
            let metrics = &self.state.services.request_metrics;
            metrics.request_shed(Shed::ResponseBytes);
        }
        fits
    }

    fn slow_reader_cut_off(&self) {
        let metrics = &self.state.services.request_metrics;
        metrics.request_shed(Shed::SlowReader);
    }

    fn add_connection_data(&self, peer: Option<SocketAddr>, data: &mut Extensions) {
        if let Some(peer) = peer {
            data.insert(ClientAddress::from(peer.ip().to_canonical()));
        }
    }

    /// The response as a problem document, counted and logged as that of a request.
    fn error_response(
        &self,
        status: StatusCode,
        peer: Option<SocketAddr>,
        lines: &HeaderLines,
    ) -> Response<BoxBody> {
        let services = &self.state.services;
        let error = match status {
            StatusCode::BAD_REQUEST => ApiError::new(Code::MalformedRequest),
            StatusCode::REQUEST_TIMEOUT => {
                services.request_metrics.request_shed(Shed::HeaderTimeout);
                ApiError::new(Code::RequestTimeout)
            }
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::head_too_large(),
            StatusCode::URI_TOO_LONG => ApiError::target_too_long(),
            other => ApiError::caused_by(Code::Internal, format!("actix-http responds {other}")),
        };
        let mut response = access_log::respond_to_invalid_request(&error, &self.state, peer, lines);
        let now = Duration::from_millis(services.clock.now().as_millis());
        let date = HttpDate::from(SystemTime::UNIX_EPOCH + now);
        if let Ok(date) = date.try_into_value() {
            response.headers_mut().insert(DATE, date);
        }
        response.into()
    }
}
