//! The limits that a client has exceeded, as a sentence.

use crate::settings::Locale;

/// The limits that a client has exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exceeded {
    /// The names of all exceeded limits, as in `RateLimit-Policy`.
    pub(crate) violated: Vec<String>,
    /// The name of the limit that resets last.
    pub(crate) policy: String,
    /// That limit, such as `10 per minute`.
    pub(crate) limit: String,
    /// The seconds until a request is allowed again; at least 1.
    pub(crate) seconds: u64,
}

impl Exceeded {
    /// The exceeded limit and the time to wait, as a sentence.
    pub(super) fn text(&self, locale: Locale) -> String {
        let Self {
            policy,
            limit,
            seconds,
            ..
        } = self;
        match locale {
            Locale::Ru => {
                format!("Достигнут лимит «{limit}» ({policy}). Повторите через {seconds} с.")
            }
            Locale::En => {
                format!("The limit of {limit} ({policy}) is reached. Try again in {seconds} s.")
            }
        }
    }
}
