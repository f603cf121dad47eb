//! Who is calling: the socket's address, or what our own proxies say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// In which header our own proxies say whom they serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: a list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list of elements whose `for` is an address.
    Forwarded,
}

/// The proxies that are ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// How many there are between a client and this server; each adds one entry to the header.
    pub hops: usize,
    /// The header.
    pub header: ProxyHeader,
}

/// The client's address: the entry of the header that the outermost of our proxies added, which is
/// the `hops`-th from the right; the socket's address when there are no such proxies or no such
/// entry. What a client itself writes into the header stands further left and is never looked at,
/// and neither is the other header.
pub(crate) fn of(peer: Option<SocketAddr>, headers: &HeaderMap, proxies: TrustedProxies) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    let entry = match (proxies.hops.checked_sub(1), proxies.header) {
        (None, _) => None,
        (Some(further), ProxyHeader::XForwardedFor) => {
            from_right(headers, &X_FORWARDED_FOR, further).and_then(address)
        }
        (Some(further), ProxyHeader::Forwarded) => {
            from_right(headers, &header::FORWARDED, further).and_then(forwarded_for)
        }
    };
    entry.unwrap_or(peer).to_canonical()
}

/// The entry of a list that has `further` ones to its right. It is read from the right, because
/// nothing is known about what stands further left: a quote that a client opened ends nowhere.
fn from_right<'a>(headers: &'a HeaderMap, name: &HeaderName, further: usize) -> Option<&'a str> {
    let lines: Vec<_> = headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .collect();
    lines
        .iter()
        .rev()
        .flat_map(|line| entries(line))
        .nth(further)
}

/// The entries of one line, from the right; a comma within quotes parts nothing.
fn entries(line: &str) -> impl Iterator<Item = &str> {
    let mut in_quotes = false;
    line.rsplit(move |character| {
        in_quotes ^= character == '"';
        character == ',' && !in_quotes
    })
}

/// The address of an element of `Forwarded` (RFC 7239, 4 and 6): `for=192.0.2.1;proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    let quoted = node
        .strip_prefix('"')
        .and_then(|node| node.strip_suffix('"'));
    address(quoted.unwrap_or(node))
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
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
    fn check(header: ProxyHeader, lines: &[&str], hops: usize, expected: &str) {
        let mut headers = HeaderMap::new();
        let (read, ignored) = match header {
            ProxyHeader::XForwardedFor => (&X_FORWARDED_FOR, &header::FORWARDED),
            ProxyHeader::Forwarded => (&header::FORWARDED, &X_FORWARDED_FOR),
        };
        for line in lines {
            headers.append(read.clone(), HeaderValue::from_str(line).unwrap());
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
        // A quote that the client left open does not hide what our proxy added.
        check(&["for=\"6.6.6.6, for=1.1.1.1"], 1, "1.1.1.1");
        for nobody in ["for=unknown", "for=_hidden", "proto=https", "for=", ""] {
            check(&[nobody], 1, "10.0.0.9");
        }
        check(&["for=1.1.1.1"], 2, "10.0.0.9");
    }
}
