//! Parses the filter of `LOG_LEVEL`.

use std::borrow::Cow;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Filter;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The target of actix-server. Its events at info repeat those of Posthorn's own start and stop.
const SERVER_TARGET: &str = "actix_server";

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
    let complete = without_server_info(filter);
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

/// The filter that treats events of actix-server at info as if they were at debug, unless it names their target.
fn without_server_info(filter: &str) -> Cow<'_, str> {
    let mut items = filter.split(',');
    let names_server = items.clone().any(|item| item.starts_with(SERVER_TARGET));
    let level = items.rfind(|item| is_level(item));
    if !names_server && level.is_some_and(|level| level.eq_ignore_ascii_case("info")) {
        Cow::Owned(format!("{filter},{SERVER_TARGET}=warn"))
    } else {
        Cow::Borrowed(filter)
    }
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
    fn what_actix_server_says_at_info_is_at_debug() {
        for (filter, expected) in [
            ("info", "info,actix_server=warn"),
            ("INFO,redis=debug", "INFO,redis=debug,actix_server=warn"),
            ("debug", "debug"),
            ("info,debug", "info,debug"),
            ("error", "error"),
            ("posthorn_http=info", "posthorn_http=info"),
            ("info,actix_server=info", "info,actix_server=info"),
        ] {
            assert_eq!(without_server_info(filter), expected);
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
