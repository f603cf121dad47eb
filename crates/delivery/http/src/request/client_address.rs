//! The client's address: the socket's, or the one that the trusted proxies report.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::settings::{ProxyHeader, TrustedProxies};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client's address: the header entry that the outermost trusted proxy added, the `hops`-th from
/// the right. The socket's address without trusted proxies, without such an entry, or if the entry
/// holds no address. Entries that the client sent itself stand further left and are ignored, and so is
/// the other header.
pub(crate) fn of(peer: Option<SocketAddr>, headers: &HeaderMap, proxies: TrustedProxies) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    let entry = proxies
        .hops
        .checked_sub(1)
        .and_then(|further| match proxies.header {
            ProxyHeader::XForwardedFor => {
                // Its grammar has no quotes: every comma separates.
                let entries = |line| <[u8]>::rsplit(line, |byte| *byte == b',');
                from_right(headers, &X_FORWARDED_FOR, further, entries).and_then(address)
            }
            ProxyHeader::Forwarded => {
                let entries = |line| Quoted::parts_of(line, b',');
                from_right(headers, &header::FORWARDED, further, entries).and_then(forwarded_for)
            }
        });
    entry.unwrap_or(peer).to_canonical()
}

/// True if the trusted proxies report that the client uses TLS: the entry of the outermost one, or of the last one
/// that has an entry, as most proxies replace `X-Forwarded-Proto` instead of adding to it.
pub(crate) fn is_https(headers: &HeaderMap, proxies: TrustedProxies) -> bool {
    let Some(further) = proxies.hops.checked_sub(1) else {
        return false;
    };
    let is_https = |scheme: &[u8]| scheme.trim_ascii().eq_ignore_ascii_case(b"https");
    match proxies.header {
        ProxyHeader::XForwardedFor => {
            let lines = headers.get_all(&X_FORWARDED_PROTO).rev();
            let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
            entries.take(further + 1).last().is_some_and(is_https)
        }
        ProxyHeader::Forwarded => {
            let entries = |line| Quoted::parts_of(line, b',');
            let element = from_right(headers, &header::FORWARDED, further, entries);
            element.is_some_and(|element| {
                let mut pairs = Quoted::parts_of(element, b';').filter_map(|pair| {
                    let equals = pair.iter().position(|byte| *byte == b'=')?;
                    let (name, value) = pair.split_at_checked(equals)?;
                    let is_proto = name.trim_ascii().eq_ignore_ascii_case(b"proto");
                    is_proto.then(|| value.get(1..).unwrap_or_default())
                });
                pairs.next().is_some_and(is_https)
            })
        }
    }
}

/// The entry of a list with `further` entries to its right. The list is read from the right and as
/// bytes, because the client controls the left part: it may hold an unclosed quote and bytes that are
/// not UTF-8.
fn from_right<'a, Entries: Iterator<Item = &'a [u8]>>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    further: usize,
    entries: impl Fn(&'a [u8]) -> Entries,
) -> Option<&'a [u8]> {
    let lines = headers.get_all(name).rev();
    lines.flat_map(|line| entries(line.as_bytes())).nth(further)
}

/// The parts of a line between separators outside of quoted strings (RFC 9110, 5.6.4), from the right.
///
/// A `"` opens or closes a quoted string only in a pair: the right one ends a value, the left one
/// follows `=`, and neither is escaped. Any other `"` is an ordinary character, so that an unbalanced
/// quote of one proxy hides no entry of another.
struct Quoted<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Quoted<'a> {
    fn parts_of(line: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(line),
            separator,
        }
    }
}

impl<'a> Iterator for Quoted<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let whole = self.rest.take()?;
        let mut left = whole;
        while let Some((last, before)) = left.split_last() {
            left = before;
            let right = whole.get(before.len() + 1..).unwrap_or_default();
            if *last == self.separator {
                self.rest = Some(before);
                return Some(right);
            }
            if *last == b'"' && ends_value(right) {
                left = before_quotes(before).unwrap_or(before);
            }
        }
        Some(whole)
    }
}

/// True if a value ends before `right`.
fn ends_value(right: &[u8]) -> bool {
    matches!(right.trim_ascii_start().first(), None | Some(b';' | b','))
}

/// The text before the quote that opens the quoted string at the end of `text`.
fn before_quotes(text: &[u8]) -> Option<&[u8]> {
    let is_escaped = |text: &[u8]| {
        let slashes = text.iter().rev().take_while(|byte| **byte == b'\\');
        slashes.count() % 2 == 1
    };
    if is_escaped(text) {
        return None;
    }
    let mut left = text;
    while let Some((last, before)) = left.split_last() {
        left = before;
        if *last == b'"' && !is_escaped(before) {
            return before.ends_with(b"=").then_some(before);
        }
    }
    None
}

/// The address in an element of `Forwarded` (RFC 7239, 4 and 6), such as `for=192.0.2.1;proto=https`;
/// `None` if it names two.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = Quoted::parts_of(element, b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, node) = (pair.get(..equals)?, pair.get(equals + 1..)?);
        name.trim_ascii()
            .eq_ignore_ascii_case(b"for")
            .then_some(node)
    });
    let (node, None) = (nodes.next()?.trim_ascii(), nodes.next()) else {
        return None;
    };
    let quoted = node
        .strip_prefix(b"\"")
        .and_then(|node| node.strip_suffix(b"\""));
    address(quoted.unwrap_or(node))
}

/// Parses an address as proxies write it: bare, with a port, or in brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    entry
        .parse()
        .ok()
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[track_caller]
    fn check<T>(header: ProxyHeader, lines: &[&T], hops: usize, expected: &str)
    where
        T: AsRef<[u8]> + std::fmt::Debug + ?Sized,
    {
        let mut headers = HeaderMap::new();
        let (read, ignored) = match header {
            ProxyHeader::XForwardedFor => (&X_FORWARDED_FOR, &header::FORWARDED),
            ProxyHeader::Forwarded => (&header::FORWARDED, &X_FORWARDED_FOR),
        };
        for line in lines {
            headers.append(
                read.clone(),
                HeaderValue::from_bytes(line.as_ref()).unwrap(),
            );
        }
        headers.append(ignored.clone(), HeaderValue::from_static("for=6.6.6.6"));
        headers.append(ignored.clone(), HeaderValue::from_static("6.6.6.6"));
        let peer = Some("10.0.0.9:1234".parse().unwrap());
        let found = of(peer, &headers, TrustedProxies { hops, header }).to_string();
        assert_eq!(found, expected, "{lines:?}, {hops} hops");
    }

    #[test]
    fn entries_are_counted_from_the_right_and_spoofed_ones_ignored() {
        let check = |lines: &[&str], hops, expected: &str| {
            check(ProxyHeader::XForwardedFor, lines, hops, expected);
        };
        check(&["1.1.1.1"], 0, "10.0.0.9");
        check(&["6.6.6.6, 1.1.1.1"], 1, "1.1.1.1");
        check(&["6.6.6.6, 1.1.1.1, 10.0.0.1"], 2, "1.1.1.1");
        check(&["6.6.6.6", "1.1.1.1", "10.0.0.1"], 2, "1.1.1.1");
        check(&["1.1.1.1"], 2, "10.0.0.9");
        check(&[], 1, "10.0.0.9");
        check(&["1.1.1.1, nonsense"], 1, "10.0.0.9");
        check(&["\"6.6.6.6, 1.1.1.1"], 1, "1.1.1.1");
        check(&["[2001:db8::1]:443"], 1, "2001:db8::1");
        check(&["[2001:db8::1]"], 1, "2001:db8::1");
        check(&["1.1.1.1:80"], 1, "1.1.1.1");
        check(&["::ffff:1.1.1.1"], 1, "1.1.1.1");
    }

    #[test]
    fn elements_of_forwarded_are_counted_from_the_right_and_spoofed_ones_ignored() {
        let check = |lines: &[&str], hops, expected: &str| {
            check(ProxyHeader::Forwarded, lines, hops, expected);
        };
        check(&["for=1.1.1.1"], 0, "10.0.0.9");
        check(&["for=6.6.6.6, for=1.1.1.1;proto=https"], 1, "1.1.1.1");
        check(
            &[
                "for=6.6.6.6",
                "by=10.0.0.2; For=\"1.1.1.1:80\"",
                "for=10.0.0.1",
            ],
            2,
            "1.1.1.1",
        );
        check(&["for=\"[2001:db8::1]:4711\""], 1, "2001:db8::1");
        check(&["for=\"[2001:db8::1]\";host=\"a,b\""], 1, "2001:db8::1");
        check(
            &["for=6.6.6.6, for=1.1.1.1;host=\"a, for=6.6.6.6\""],
            1,
            "1.1.1.1",
        );
        // An unclosed quote of the client does not hide the entry of a trusted proxy.
        check(&["for=\"6.6.6.6, for=1.1.1.1"], 1, "1.1.1.1");
        for unknown in ["for=unknown", "for=_hidden", "proto=https", "for=", ""] {
            check(&[unknown], 1, "10.0.0.9");
        }
        check(&["for=1.1.1.1"], 2, "10.0.0.9");
    }

    #[test]
    fn bytes_that_are_not_utf_8_hide_no_entry() {
        for (header, lines) in [
            (
                ProxyHeader::XForwardedFor,
                [&b"\xff, 1.1.1.1"[..], b"\xfe, 10.0.0.1"],
            ),
            (
                ProxyHeader::Forwarded,
                [b"\xff, for=1.1.1.1", b"for=\xfe, for=10.0.0.1;host=\xfd"],
            ),
        ] {
            check(header, &lines[..1], 1, "1.1.1.1");
            check(header, &lines, 1, "10.0.0.1");
            check(header, &lines, 3, "1.1.1.1");
            check(header, &[b"1.1.1.1, for=1.1.1.1, \xff"], 1, "10.0.0.9");
        }
    }

    #[test]
    fn quoted_text_neither_separates_nor_names_a_client() {
        let check = |line: &str, hops, expected: &str| {
            check(ProxyHeader::Forwarded, &[line], hops, expected);
        };
        check(r#"host="a;for=6.6.6.6;b";for=192.0.2.1"#, 1, "192.0.2.1");
        check(r#"for=192.0.2.1;host="a;for=6.6.6.6;b""#, 1, "192.0.2.1");
        check(r#"for=192.0.2.1;host="a\", for=6.6.6.6""#, 1, "192.0.2.1");
        check(r#"for=192.0.2.1;host="a\";for=6.6.6.6""#, 1, "192.0.2.1");
        check(r#"host="\\";for=192.0.2.1, for=10.0.0.1"#, 2, "192.0.2.1");
        check(r#"for=192.0.2.1;host="\\" , for=10.0.0.1"#, 2, "192.0.2.1");
        check(r#"for=192.0.2.1;host="\\\"" ;proto=https"#, 1, "192.0.2.1");
        // A trusted proxy names one client.
        check("for=192.0.2.1;for=6.6.6.6", 1, "10.0.0.9");
    }

    #[test]
    fn unbalanced_quotes_hide_no_entry() {
        // The client opens a quote, and a trusted proxy writes an unbalanced one.
        for last in [
            r#"for=10.0.0.1;host="a"#,
            r#"for=10.0.0.1;host="a"b"#,
            r#"for=10.0.0.1;host=a"b""#,
            r#"for=10.0.0.1;host="a\""#,
            "for=10.0.0.1;host=a",
        ] {
            let line = format!(r#"for=6.6.6.6, x=", for=192.0.2.1, {last}"#);
            check(ProxyHeader::Forwarded, &[&line], 1, "10.0.0.1");
            check(ProxyHeader::Forwarded, &[&line], 2, "192.0.2.1");
        }
    }
}
