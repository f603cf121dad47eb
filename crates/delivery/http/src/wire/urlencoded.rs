//! Names and values of `application/x-www-form-urlencoded` (WHATWG URL, 5.1), as bytes of UTF-8 only.

use percent_encoding::percent_decode;

/// A name or a value is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

/// The pairs of `text`, in their order. Percent signs without two digits stand for themselves.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = Result<(String, String), NotUtf8>> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    })
}

fn decode(text: &str) -> Result<String, NotUtf8> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
    decoded.map(Into::into).map_err(|_| NotUtf8)
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
        assert!(pairs("a=1&b=%FF").any(|pair| pair == Err(NotUtf8)));
        assert!(pairs("%E4=1").any(|pair| pair == Err(NotUtf8)));
    }
}
