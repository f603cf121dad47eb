//! The text of a message.

use std::fmt;
use std::str::FromStr;

/// The text of a message: trimmed, not empty, within the configured length, and free of control
/// characters other than `\n` and `\t`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageContent(Box<str>);

/// The characters that a message may contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Any character that is not a control character; `\n` and `\t` are allowed.
    #[default]
    Text,
    /// Letters and digits of any script, `_`, white space and `-.,!?;:()`: the regular
    /// expression `^[\w\s\-.,!?;:()]+$`, without the control characters.
    Strict,
}

/// A text is not the name of a charset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of: text, strict")]
pub struct CharsetError;

/// The configured limits on the text of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRules {
    /// The most Unicode scalar values of a trimmed message.
    pub max_length: usize,
    /// The allowed characters.
    pub charset: Charset,
}

/// Why a text is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Nothing is left after trimming.
    #[error("a message has at least 1 character besides white space")]
    Empty,
    /// More Unicode scalar values than allowed, counted after trimming.
    #[error("a message has at most {max} characters, not {actual}")]
    TooLong {
        /// The configured limit.
        max: usize,
        /// The actual length.
        actual: usize,
    },
    /// A control character other than `\n` and `\t` (Unicode category Cc).
    #[error("a message contains no control character such as U+{:04X}", u32::from(*.0))]
    ControlCharacter(char),
    /// A character outside the strict set.
    #[error("a message contains letters, digits, '_', white space and -.,!?;:() only, not {0:?}")]
    OutsideCharset(char),
}

impl FromStr for Charset {
    type Err = CharsetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "strict" => Ok(Self::Strict),
            _ => Err(CharsetError),
        }
    }
}

impl Default for ContentRules {
    fn default() -> Self {
        Self {
            max_length: 1000,
            charset: Charset::Text,
        }
    }
}

impl ContentRules {
    /// Checks the trimmed `text`.
    ///
    /// # Errors
    /// The first violated rule.
    pub fn check(&self, text: &str) -> Result<(), ContentError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ContentError::Empty);
        }
        // A text of n bytes has at most n characters: most messages are not counted.
        if text.len() > self.max_length {
            let actual = text.chars().count();
            if actual > self.max_length {
                return Err(ContentError::TooLong {
                    max: self.max_length,
                    actual,
                });
            }
        }
        text.chars()
            .try_for_each(|character| self.check_character(character))
    }

    fn check_character(&self, character: char) -> Result<(), ContentError> {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            return Err(ContentError::ControlCharacter(character));
        }
        match self.charset {
            Charset::Text => Ok(()),
            Charset::Strict if is_strict(character) => Ok(()),
            Charset::Strict => Err(ContentError::OutsideCharset(character)),
        }
    }
}

/// The set of the original's `^[\w\s\-.,!?;:()]+$`, where `\w` is alphanumeric in any script.
fn is_strict(character: char) -> bool {
    character.is_alphanumeric()
        || character.is_whitespace()
        || matches!(
            character,
            '_' | '-' | '.' | ',' | '!' | '?' | ';' | ':' | '(' | ')'
        )
}

impl MessageContent {
    /// Trims `text` of surrounding white space (Unicode `White_Space`) and applies `rules`.
    pub fn parse(text: &str, rules: &ContentRules) -> Result<Self, ContentError> {
        rules.check(text)?;
        Ok(Self(Box::from(text.trim())))
    }

    /// A text that a store accepted under earlier rules. Only stores call it: the message stays
    /// readable if the limits were lowered since.
    pub fn from_store(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The trimmed text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prints the length only, so that no log shows a message's text by accident.
impl fmt::Debug for MessageContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageContent({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: ContentRules = ContentRules {
        max_length: 1000,
        charset: Charset::Strict,
    };

    #[track_caller]
    fn check(rules: &ContentRules, text: &str, expected: Result<&str, ContentError>) {
        let parsed = MessageContent::parse(text, rules);
        assert_eq!(
            parsed.as_ref().map(MessageContent::as_str),
            expected.as_ref().copied()
        );
    }

    #[test]
    fn surrounding_white_space_is_trimmed_and_inner_kept() {
        check(
            &ContentRules::default(),
            " \u{a0}a  b\n\tc \n",
            Ok("a  b\n\tc"),
        );
        check(
            &ContentRules::default(),
            "Привет, мир 👋",
            Ok("Привет, мир 👋"),
        );
    }

    #[test]
    fn length_is_counted_in_scalar_values_after_trimming() {
        let rules = ContentRules {
            max_length: 3,
            charset: Charset::Text,
        };
        check(&rules, "  жжж  ", Ok("жжж"));
        check(
            &rules,
            "жжжж",
            Err(ContentError::TooLong { max: 3, actual: 4 }),
        );
        check(&rules, "👋👋👋", Ok("👋👋👋"));
        check(&rules, " \t\n", Err(ContentError::Empty));
        check(&rules, "", Err(ContentError::Empty));
    }

    #[test]
    fn control_characters_are_rejected_but_line_feed_and_tab() {
        check(
            &ContentRules::default(),
            "a\0b",
            Err(ContentError::ControlCharacter('\0')),
        );
        check(
            &ContentRules::default(),
            "a\rb",
            Err(ContentError::ControlCharacter('\r')),
        );
        check(
            &ContentRules::default(),
            "a\u{85}b",
            Err(ContentError::ControlCharacter('\u{85}')),
        );
        check(
            &ContentRules::default(),
            "a\u{7f}b",
            Err(ContentError::ControlCharacter('\u{7f}')),
        );
    }

    #[test]
    fn the_strict_set_is_the_one_of_the_original() {
        check(
            &STRICT,
            "Привет_1 - (a.b,c!d?e;f:g)",
            Ok("Привет_1 - (a.b,c!d?e;f:g)"),
        );
        check(&STRICT, "a<b", Err(ContentError::OutsideCharset('<')));
        check(&STRICT, "a'b", Err(ContentError::OutsideCharset('\'')));
        check(&STRICT, "👋", Err(ContentError::OutsideCharset('👋')));
        check(&STRICT, "a\0", Err(ContentError::ControlCharacter('\0')));
    }

    #[test]
    fn debug_hides_the_text() {
        let content = MessageContent::from_store("secret");
        assert_eq!(format!("{content:?}"), "MessageContent(6 bytes)");
    }
}
