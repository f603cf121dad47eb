//! The parser of limits.
//!
//! The grammar is that of flask-limiter, which uses the library `limits`, version 5
//! (`limits.util.parse_many`).

use std::fmt;
use std::num::NonZeroU32;

use super::limit::{MAX_LIMITS, Quota, QuotaUnit};

/// The expectation at a position of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaExpected {
    /// A number of requests.
    Count,
    /// `per` or `/`.
    Per,
    /// A number of units, or a unit.
    MultipleOrUnit,
    /// A unit.
    Unit,
    /// A window that is no longer than [`Quota::MAX_WINDOW_SECONDS`].
    ShorterWindow,
    /// A separator or the end.
    End,
    /// The end, because there are as many limits as allowed.
    FewerLimits,
}

/// A text is not a list of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: expected {expected}")]
pub struct QuotaParseError {
    /// The first character that does not match, counted from 1; one past the last if the text ends
    /// too early.
    pub position: usize,
    /// The expectation there.
    pub expected: QuotaExpected,
}

/// A position in the text.
struct Cursor<'a> {
    /// The rest of the text.
    rest: &'a str,
    /// The number of characters before the rest.
    read: usize,
}

pub(super) fn parse(text: &str) -> Result<Vec<Quota>, QuotaParseError> {
    let mut cursor = Cursor {
        rest: text,
        read: 0,
    };
    let mut quotas = Vec::new();
    loop {
        cursor.skip_spaces();
        if quotas.len() == MAX_LIMITS {
            return Err(cursor.expected(QuotaExpected::FewerLimits));
        }
        quotas.push(quota(&mut cursor)?);
        cursor.skip_spaces();
        if cursor.rest.is_empty() {
            return Ok(quotas);
        }
        if !cursor.take_if(|character| matches!(character, ';' | ',' | '|')) {
            return Err(cursor.expected(QuotaExpected::End));
        }
    }
}

/// Parses one limit.
fn quota(cursor: &mut Cursor<'_>) -> Result<Quota, QuotaParseError> {
    let count = cursor.number(QuotaExpected::Count)?;
    let count = count.ok_or_else(|| cursor.expected(QuotaExpected::Count))?;
    cursor.skip_spaces();
    if !cursor.take_if(|character| character == '/') && !cursor.take_word("per") {
        return Err(cursor.expected(QuotaExpected::Per));
    }
    cursor.skip_spaces();
    let window_begin = cursor.read;
    let multiple = cursor.number(QuotaExpected::MultipleOrUnit)?;
    cursor.skip_spaces();
    let unit = QuotaUnit::ALL
        .into_iter()
        .find(|unit| cursor.take_word(unit.as_str()));
    let unit = unit.ok_or_else(|| {
        cursor.expected(match multiple {
            Some(_) => QuotaExpected::Unit,
            None => QuotaExpected::MultipleOrUnit,
        })
    })?;
    cursor.take_word("s");
    let multiple = multiple.unwrap_or(NonZeroU32::MIN);
    Quota::new(count, multiple, unit).ok_or(QuotaParseError {
        position: window_begin + 1,
        expected: QuotaExpected::ShorterWindow,
    })
}

impl Cursor<'_> {
    fn expected(&self, expected: QuotaExpected) -> QuotaParseError {
        QuotaParseError {
            position: self.read + 1,
            expected,
        }
    }

    fn take_if(&mut self, fits: impl Fn(char) -> bool) -> bool {
        let mut characters = self.rest.chars();
        let taken = characters.next().is_some_and(fits);
        if taken {
            self.rest = characters.as_str();
            self.read += 1;
        }
        taken
    }

    fn skip_spaces(&mut self) {
        while self.take_if(char::is_whitespace) {}
    }

    /// Consumes `word`, which consists of ASCII letters, in any case; returns true if it was next.
    fn take_word(&mut self, word: &str) -> bool {
        let Some((head, tail)) = self.rest.split_at_checked(word.len()) else {
            return false;
        };
        let matches = head.eq_ignore_ascii_case(word);
        if matches {
            self.rest = tail;
            self.read += word.len();
        }
        matches
    }

    /// Consumes a number from 1 to [`Quota::MAX_COUNT`], if a digit is next.
    fn number(&mut self, expected: QuotaExpected) -> Result<Option<NonZeroU32>, QuotaParseError> {
        let begin = QuotaParseError {
            position: self.read + 1,
            expected,
        };
        let digits = self.rest.len()
            - self
                .rest
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let Some((number, rest)) = self.rest.split_at_checked(digits) else {
            return Ok(None);
        };
        if number.is_empty() {
            return Ok(None);
        }
        (self.rest, self.read) = (rest, self.read + digits);
        let number = number.parse::<NonZeroU32>().map_err(|_| begin)?;
        if number.get() > Quota::MAX_COUNT {
            return Err(begin);
        }
        Ok(Some(number))
    }
}

impl fmt::Display for QuotaExpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = Quota::MAX_COUNT;
        match self {
            Self::Count => write!(f, "a number of requests from 1 to {max}"),
            Self::Per => f.write_str("`per` or `/`"),
            Self::MultipleOrUnit => write!(
                f,
                "second, minute, hour, day, month or year, or a number of them from 1 to {max}"
            ),
            Self::Unit => f.write_str("second, minute, hour, day, month or year"),
            Self::ShorterWindow => f.write_str("a window of ten years at most"),
            Self::End => f.write_str("`;` or the end"),
            Self::FewerLimits => write!(f, "the end after {MAX_LIMITS} limits"),
        }
    }
}
