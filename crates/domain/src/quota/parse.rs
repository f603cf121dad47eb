//! From the text of limits to the limits.
//!
//! The grammar is that of flask-limiter, which takes it from the library `limits`, version 5
//! (`limits.util.parse_many`).

use std::fmt;
use std::num::NonZeroU32;

use super::{Quota, QuotaLimits, QuotaUnit};

/// What a text of limits should have had at some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaExpected {
    /// How many requests.
    Count,
    /// `per` or `/`.
    Per,
    /// How many units, or a unit.
    MultipleOrUnit,
    /// A unit.
    Unit,
    /// A window that is no longer than [`Quota::MAX_WINDOW_SECONDS`].
    ShorterWindow,
    /// A separator or the end.
    End,
    /// The end, because there are [`QuotaLimits::MAX_LENGTH`] limits.
    FewerLimits,
}

/// A text is not a list of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: expected {expected}")]
pub struct QuotaParseError {
    /// The first character that does not fit, counted from 1; one past the last when the text ends
    /// too early.
    pub position: usize,
    /// What would have fitted.
    pub expected: QuotaExpected,
}

/// The text that is left, and how many characters went before it.
struct Cursor<'a> {
    rest: &'a str,
    read: usize,
}

pub(super) fn parse(text: &str) -> Result<QuotaLimits, QuotaParseError> {
    let mut cursor = Cursor {
        rest: text,
        read: 0,
    };
    let mut quotas = Vec::new();
    loop {
        cursor.skip_spaces();
        if quotas.len() == QuotaLimits::MAX_LENGTH {
            return Err(cursor.expected(QuotaExpected::FewerLimits));
        }
        quotas.push(quota(&mut cursor)?);
        cursor.skip_spaces();
        if cursor.rest.is_empty() {
            return Ok(QuotaLimits::of(quotas));
        }
        if !cursor.take_if(|character| matches!(character, ';' | ',' | '|')) {
            return Err(cursor.expected(QuotaExpected::End));
        }
    }
}

/// One limit; the cursor stands at its first character.
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

    /// Takes `word`, which is of ASCII letters, in either case.
    fn take_word(&mut self, word: &str) -> bool {
        let Some((head, tail)) = self.rest.split_at_checked(word.len()) else {
            return false;
        };
        let taken = head.eq_ignore_ascii_case(word);
        if taken {
            self.rest = tail;
            self.read += word.len();
        }
        taken
    }

    /// A number from 1 to [`Quota::MAX_COUNT`], if a digit is next.
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
            Self::Count => write!(f, "how many requests, a number from 1 to {max}"),
            Self::Per => f.write_str("`per` or `/`"),
            Self::MultipleOrUnit => write!(
                f,
                "second, minute, hour, day, month or year, or how many of them, from 1 to {max}"
            ),
            Self::Unit => f.write_str("second, minute, hour, day, month or year"),
            Self::ShorterWindow => f.write_str("a window of ten years at most"),
            Self::End => f.write_str("`;` or the end"),
            Self::FewerLimits => write!(f, "the end after {} limits", QuotaLimits::MAX_LENGTH),
        }
    }
}
