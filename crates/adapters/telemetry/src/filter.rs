//! Parses the filter of `LOG_LEVEL`.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Filter;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The target of actix-server. Its events at info repeat those of Posthorn's own start and stop.
const SERVER_TARGET: &str = "actix_server";
/// The target of actix-http's connections. Its events at error repeat, for each client that sends what is not HTTP or goes
/// away, the line of the request.
const CONNECTION_TARGET: &str = "actix_http::h1::dispatcher";
/// The target of the verifier of receivers' certificates. Its event at error repeats the error of the attempt.
const VERIFIER_TARGET: &str = "rustls_platform_verifier";
/// The target of the cluster client of redis-rs. Its events repeat for each attempt, dozens a second, that a server is lost.
const CLUSTER_TARGET: &str = "redis::cluster_handling";

/// Why a text is not a log filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The filter or an item of it is empty.
    #[error("the log filter is empty; set a level such as `info`")]
    Empty,
    /// An item is a single word but not a level.
    #[error(
        "`{0}` is not a log level: use error, warn, info, debug, trace or off, or `target=level` for \
         one target"
    )]
    UnknownLevel(String),
    /// An item has invalid syntax.
    #[error("`{filter}` is not a log filter: {problem}")]
    Syntax {
        /// The filter.
        filter: String,
        /// The problem, as `EnvFilter` reports it.
        problem: String,
    },
}

/// Checks that `filter` is valid for [`crate::init`]: a level, or directives of `tracing`'s `EnvFilter` such as
/// `info,posthorn_http=debug`.
///
/// `EnvFilter` reads a single word that is not a level as a target, so a misspelt level would disable everything else.
/// Here a target always needs a level.
pub fn check_filter(filter: &str) -> Result<(), FilterError> {
    parse(filter).map(drop)
}

/// A parsed filter.
pub(crate) enum LogFilter {
    /// Levels and targets only. Unlike `EnvFilter` it does nothing when a span is entered or exited.
    ByTarget(Box<Targets>),
    /// Directives with spans.
    BySpan(Box<EnvFilter>),
}

impl LogFilter {
    /// The filter for all layers of a subscriber.
    pub(crate) fn for_all(self) -> Box<dyn Layer<Registry> + Send + Sync> {
        match self {
            Self::ByTarget(filter) => Layer::boxed(*filter),
            Self::BySpan(filter) => Layer::boxed(*filter),
        }
    }

    /// The filter for one of several layers of a subscriber; it costs more.
    pub(crate) fn for_one(self) -> Box<dyn Filter<Registry> + Send + Sync> {
        match self {
            Self::ByTarget(filter) => filter,
            Self::BySpan(filter) => filter,
        }
    }
}

/// Parses a filter.
pub(crate) fn parse(filter: &str) -> Result<LogFilter, FilterError> {
    let filter = filter.trim();
    for item in filter.split(',') {
        if item.is_empty() {
            return Err(FilterError::Empty);
        }
        let is_word = item
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ':'));
        if is_word && !is_level(item) {
            return Err(FilterError::UnknownLevel(item.to_owned()));
        }
    }
    // `EnvFilter` has the better error texts, so it parses first.
    let syntax = |problem: String| FilterError::Syntax {
        filter: filter.to_owned(),
        problem,
    };
    let complete = without_repeated_events(filter);
    let by_span = EnvFilter::builder()
        .parse(&complete)
        .map_err(|error| syntax(error.to_string()))?;
    if filter.contains('[') {
        return Ok(LogFilter::BySpan(Box::new(by_span)));
    }
    match complete.parse::<Targets>() {
        Ok(targets) => Ok(LogFilter::ByTarget(Box::new(targets))),
        Err(error) => Err(syntax(error.to_string())),
    }
}

/// The filter that treats events of actix-server at info, and all of actix-http's connections, of the verifier and of the
/// cluster client, as if they were at debug, unless it names their target.
fn without_repeated_events(filter: &str) -> String {
    let items = || filter.split(',');
    let names = |target: &str| {
        items().any(|item| {
            let name = item.split('=').next().unwrap_or_default();
            item.starts_with(target) || is_parent(name, target)
        })
    };
    let level = items().rfind(|item| is_level(item));
    let level = level.unwrap_or_default().to_ascii_lowercase();
    let mut added = Vec::new();
    if level == "info" {
        added.push((SERVER_TARGET, "warn"));
    }
    if matches!(level.as_str(), "error" | "warn" | "info") {
        let targets = [CONNECTION_TARGET, VERIFIER_TARGET, CLUSTER_TARGET];
        added.extend(targets.map(|target| (target, "off")));
    }
    added.retain(|(target, _)| !names(target));
    let mut filter = filter.to_owned();
    for (target, level) in added {
        filter.push_str(&format!(",{target}={level}"));
    }
    filter
}

/// True if `name` is a target that contains `target`.
fn is_parent(name: &str, target: &str) -> bool {
    let rest = target.strip_prefix(name);
    !name.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_level(word: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"]
        .iter()
        .any(|level| word.eq_ignore_ascii_case(level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &str, expected: Result<(), FilterError>) {
        assert_eq!(check_filter(filter), expected, "{filter}");
    }

    #[test]
    fn a_filter_is_a_level_or_directives() {
        check("info", Ok(()));
        check("WARN", Ok(()));
        check("off", Ok(()));
        check(" info,posthorn_http=debug,redis=off ", Ok(()));
        check("info,[request{request_id=abc}]=trace", Ok(()));
    }

    #[test]
    fn what_libraries_repeat_is_at_debug() {
        let verifier = "rustls_platform_verifier=off";
        let others = format!("{verifier},redis::cluster_handling=off");
        let quiet = format!("actix_http::h1::dispatcher=off,{others}");
        for (filter, added) in [
            ("info", format!(",actix_server=warn,{quiet}")),
            (
                "INFO,redis=debug",
                format!(",actix_server=warn,actix_http::h1::dispatcher=off,{verifier}"),
            ),
            ("debug", String::new()),
            ("info,debug", String::new()),
            ("error", format!(",{quiet}")),
            ("posthorn_http=info", String::new()),
            ("info,actix_server=info", format!(",{quiet}")),
            (
                "warn,actix_http::h1::dispatcher=error",
                format!(",{others}"),
            ),
        ] {
            assert_eq!(without_repeated_events(filter), format!("{filter}{added}"));
        }
    }

    #[test]
    fn a_misspelt_level_is_named() {
        check("inof", Err(FilterError::UnknownLevel("inof".to_owned())));
        check(
            "info,posthorn_http",
            Err(FilterError::UnknownLevel("posthorn_http".to_owned())),
        );
        let text = check_filter("inof").unwrap_err().to_string();
        assert!(text.contains("`inof`") && text.contains("info"), "{text}");
    }

    #[test]
    fn an_empty_filter_is_refused() {
        check("", Err(FilterError::Empty));
        check(" ", Err(FilterError::Empty));
        check("info,", Err(FilterError::Empty));
    }

    #[test]
    fn a_directive_that_cannot_be_read_is_refused() {
        for filter in ["posthorn_http=loud", "info, redis=off"] {
            let text = check_filter(filter).unwrap_err().to_string();
            assert!(text.contains(filter) && text.contains("level"), "{text}");
        }
    }
}
