//! The HTTP surface: routes, wire types, middleware, and every error as a problem document. Wire types
//! never leave this crate. From the outside in, a request meets `connection` (what is no request at
//! all), `observe` (request id, span, metrics, headers, problem documents), CORS and `flood` when
//! configured, routing, and around each handler `guard` (in-flight cap, time-out, access, quota,
//! panics).

mod access;
mod audit;
mod body;
mod caller;
mod client_address;
mod connection;
mod context;
mod cors;
mod flood;
mod guard;
mod locale;
mod observe;
mod openapi;
mod problem;
mod quota;
mod routes;
mod server;
mod settings;
mod state;
mod time;
mod trace;

pub use access::credentials;
pub use client_address::{ProxyHeader, TrustedProxies};
pub use cors::{CorsOrigins, CorsOriginsError};
pub use locale::Locale;
pub use openapi::openapi_json;
pub use routes::route_table;
pub use server::{BindError, Bound, Running, bind};
pub use settings::HttpSettings;
pub use state::Services;
