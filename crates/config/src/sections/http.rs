//! The HTTP server; `posthorn-http` owns its settings.

use posthorn_http::settings::HttpSettings;

use crate::section::{ComputedDefault, KnownValues, Section};

impl Section for HttpSettings {
    const TITLE: &'static str = "HTTP";

    fn computed_defaults(known: &KnownValues<'_>) -> Vec<ComputedDefault> {
        let is_guarded = known.environment.is_production() && known.flag("rate_limit_enabled");
        let flood_per_second = if is_guarded { 200 } else { 0 };
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        vec![
            ComputedDefault::value("workers", processors),
            ComputedDefault::value("flood_per_second", flood_per_second),
            ComputedDefault::note(
                "max_connections_per_client",
                "a fifth of MAX_CONNECTIONS; no limit with TRUSTED_PROXY_HOPS",
            ),
        ]
    }
}
