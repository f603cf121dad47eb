//! Names and values of `application/x-www-form-urlencoded` (WHATWG URL, 5.1), as bytes of UTF-8 only.

use percent_encoding::percent_decode;

/// A name or a value is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8 {
    /// The name, with U+FFFD for what is not UTF-8.
    pub(crate) name: String,
}

/// The pairs of `text`, in their order. Percent signs without two digits stand for themselves.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = Result<(String, String), NotUtf8>> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (decode(name), decode(value)) {
            (Some(name), Some(value)) => Ok((name, value)),
            _ => Err(NotUtf8 {
                name: percent_decode(name.replace('+', " ").as_bytes())
                    .decode_utf8_lossy()
                    .into_owned(),
            }),
        }
    })
}

/// The decoded text, if it is UTF-8.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
    decoded.ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found: Result<Vec<_>, _> = pairs(text).collect();
        let expected = expected.iter();
        let expected: Vec<_> = expected
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(found, Ok(expected), "{text}");
    }

    #[test]
    fn pairs_are_decoded_in_order() {
        check("", &[]);
        check(
            "a=1&b=&a=2&&c",
            &[("a", "1"), ("b", ""), ("a", "2"), ("c", "")],
        );
        check("a+b=c%2Bd%26", &[("a b", "c+d&")]);
        check("m=100%&n=%zz=", &[("m", "100%"), ("n", "%zz=")]);
        check("m=%D0%B4%D0%B0", &[("m", "да")]);
        check("m=да", &[("m", "да")]);
    }

    #[test]
    fn other_encodings_are_refused() {
        for (text, name) in [("a=1&b+c=%FF", "b c"), ("%E4=1", "\u{fffd}")] {
            let name = name.to_owned();
            assert_eq!(pairs(text).last(), Some(Err(NotUtf8 { name })), "{text}");
        }
    }
}
