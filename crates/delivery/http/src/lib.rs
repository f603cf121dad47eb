//! The HTTP surface: routes, wire types, middleware, and every error as a problem document. Imports
//! run one way: `server → router → api, pages → middleware → request → wire → state → route → settings`.

mod api;
mod middleware;
mod pages;
mod request;
mod route;
mod router;
mod server;
pub mod settings;
mod state;
mod wire;

pub use request::credentials::credentials;
pub use route::route_table;
pub use router::openapi_json;
pub use server::{BindError, BoundServer, RunningServer, bind, resolve};
pub use settings::{
    CorsOrigins, CorsOriginsError, HttpSettings, Locale, ProxyHeader, TrustedProxies,
};
pub use state::Services;
pub use state::metrics::{
    ExpositionFormat, MetricsExposition, RequestMetrics, RequestOutcome, Shed,
};
pub use wire::problem::error_codes;
pub use wire::webhook::WebhookPayload;
