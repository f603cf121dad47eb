//! Who is calling: the socket's address, or what our own proxies say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the `hops`-th entry of `X-Forwarded-For` from the right, where each of
/// our proxies added one; the socket's address when there are no such proxies or no such entry.
/// What a client itself writes into the header stands further left and is never looked at.
pub(crate) fn of(peer: Option<SocketAddr>, headers: &HeaderMap, hops: usize) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    if hops == 0 {
        return peer.to_canonical();
    }
    let lines: Vec<_> = headers
        .get_all(&X_FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .collect();
    let entry = lines
        .iter()
        .rev()
        .flat_map(|line| line.rsplit(','))
        .nth(hops - 1);
    entry.and_then(parse).unwrap_or(peer).to_canonical()
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn parse(entry: &str) -> Option<IpAddr> {
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
    fn check(lines: &[&str], hops: usize, expected: &str) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                X_FORWARDED_FOR.clone(),
                HeaderValue::from_str(line).unwrap(),
            );
        }
        let peer = Some("10.0.0.9:1234".parse().unwrap());
        assert_eq!(
            of(peer, &headers, hops).to_string(),
            expected,
            "{lines:?}, {hops} hops"
        );
    }

    #[test]
    fn entries_are_counted_from_the_right_and_spoofed_ones_ignored() {
        check(&["1.1.1.1"], 0, "10.0.0.9");
        check(&["6.6.6.6, 1.1.1.1"], 1, "1.1.1.1");
        check(&["6.6.6.6, 1.1.1.1, 10.0.0.1"], 2, "1.1.1.1");
        check(&["6.6.6.6", "1.1.1.1", "10.0.0.1"], 2, "1.1.1.1");
        check(&["1.1.1.1"], 2, "10.0.0.9");
        check(&[], 1, "10.0.0.9");
        check(&["1.1.1.1, nonsense"], 1, "10.0.0.9");
        check(&["[2001:db8::1]:443"], 1, "2001:db8::1");
        check(&["[2001:db8::1]"], 1, "2001:db8::1");
        check(&["1.1.1.1:80"], 1, "1.1.1.1");
        check(&["::ffff:1.1.1.1"], 1, "1.1.1.1");
    }
}
