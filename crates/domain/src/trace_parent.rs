//! The place of a message in a distributed trace.
//!
//! Source: W3C Trace Context, <https://www.w3.org/TR/trace-context/#traceparent-header>.

use std::fmt;
use std::sync::Arc;

/// A `traceparent` of version 00: the trace and the span that a message comes from. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent(Arc<str>);

/// The text is not a valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a `traceparent` of W3C Trace Context")]
pub struct TraceParentError;

/// The version whose fields are known. Later ones may only append fields.
const VERSION: &str = "00";
/// The flags that are defined: sampled, and a random trace id. The others are cleared, as the specification demands
/// of everybody who hands a context on.
const KNOWN_FLAGS: u8 = 0b11;

impl TraceParent {
    /// The length in bytes.
    pub const LENGTH: usize = 55;

    /// Checks `text`. Of a later version the known fields are kept, as those of version 00.
    ///
    /// # Errors
    /// A field is absent, too long, zero, or not in lower-case hexadecimal digits, or the version is `ff`.
    pub fn parse(text: &str) -> Result<Self, TraceParentError> {
        let (known, more) = text
            .split_at_checked(Self::LENGTH)
            .ok_or(TraceParentError)?;
        let mut fields = known.split('-');
        let mut next = |length| {
            let field = fields.next().filter(|field| is_hexadecimal(field, length));
            field.ok_or(TraceParentError)
        };
        let (version, trace, parent, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let is_end = more.is_empty() || (version != VERSION && more.starts_with('-'));
        if version == "ff" || is_zero(trace) || is_zero(parent) || !is_end {
            return Err(TraceParentError);
        }
        let given = u8::from_str_radix(flags, 16).map_err(|_| TraceParentError)?;
        let kept = given & KNOWN_FLAGS;
        Ok(Self(if version == VERSION && kept == given {
            Arc::from(known)
        } else {
            format!("{VERSION}-{trace}-{parent}-{kept:02x}").into()
        }))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the trace, in 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_hexadecimal(field: &str, length: usize) -> bool {
    field.len() == length
        && field
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(field: &str) -> bool {
    field.bytes().all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const KNOWN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[track_caller]
    fn check(text: &str, kept: Option<&str>) {
        let parsed = TraceParent::parse(text);
        assert_eq!(
            parsed.as_ref().ok().map(TraceParent::as_str),
            kept,
            "{text}"
        );
        if let Ok(parsed) = parsed {
            assert_eq!(parsed.as_str().len(), TraceParent::LENGTH);
            assert_eq!(parsed.trace_id(), TRACE);
            assert_eq!(TraceParent::parse(parsed.as_str()), Ok(parsed));
        }
    }

    #[test]
    fn a_valid_one_is_kept_as_it_is() {
        check(KNOWN, Some(KNOWN));
        for flags in ["00", "02", "03"] {
            let text = format!("00-{TRACE}-b7ad6b7169203331-{flags}");
            check(&text, Some(&text));
        }
    }

    #[test]
    fn flags_that_nobody_has_defined_are_cleared() {
        check(
            &format!("00-{TRACE}-b7ad6b7169203331-ff"),
            Some(&KNOWN.replace("-01", "-03")),
        );
        check(&format!("00-{TRACE}-b7ad6b7169203331-09"), Some(KNOWN));
    }

    #[test]
    fn of_a_later_version_the_known_fields_are_kept() {
        check(&format!("cc-{TRACE}-b7ad6b7169203331-01"), Some(KNOWN));
        check(&format!("01-{TRACE}-b7ad6b7169203331-01-what"), Some(KNOWN));
        check(&format!("fe-{TRACE}-b7ad6b7169203331-01-"), Some(KNOWN));
        check(&format!("cc-{TRACE}-b7ad6b7169203331-01.what"), None);
        check(&format!("cc-{TRACE}-b7ad6b7169203331-012"), None);
    }

    #[test]
    fn anything_else_is_invalid() {
        let upper = TRACE.to_uppercase();
        for text in [
            "",
            "00",
            &format!("ff-{TRACE}-b7ad6b7169203331-01"),
            &format!("0-{TRACE}-b7ad6b7169203331-001"),
            &format!("00-{TRACE}-b7ad6b7169203331"),
            &format!("00-{TRACE}-b7ad6b7169203331-1"),
            &format!("00-{TRACE}-b7ad6b7169203331-0g"),
            &format!("00-{TRACE}-b7ad6b7169203331-01-what"),
            &format!("00-{upper}-b7ad6b7169203331-01"),
            &format!("00-{TRACE}-B7AD6B7169203331-01"),
            &format!("00-{TRACE}-0000000000000000-01"),
            &format!("00_{TRACE}-b7ad6b7169203331-01"),
            &format!(" {KNOWN}"),
            &format!("{KNOWN} "),
            &format!("00-{TRACE}-b7ad6b716920333я-1"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        ] {
            check(text, None);
        }
    }
}
