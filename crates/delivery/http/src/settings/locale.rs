//! The languages of texts.

use std::str::FromStr;

/// A language that texts exist in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locale {
    /// Russian.
    #[default]
    Ru,
    /// English.
    En,
}

/// The text is none of `ru`, `en`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of: ru, en")]
pub struct LocaleError;

impl Locale {
    /// The language tag (RFC 5646).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    /// One of two texts, or of what makes them.
    pub(crate) fn pick<T>(self, ru: T, en: T) -> T {
        match self {
            Self::Ru => ru,
            Self::En => en,
        }
    }
}

impl FromStr for Locale {
    type Err = LocaleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let locale = [Self::Ru, Self::En]
            .into_iter()
            .find(|locale| locale.as_str() == text);
        locale.ok_or(LocaleError)
    }
}
