//! Requests however they are split, and framing that is invalid.

use proptest::prelude::*;

use super::*;

const REQUESTS: [&str; 11] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a:80/ HTTP/1.1\nHost: a\n\n",
    "\r\n\r\nHEAD / HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\r\n\r\na",
    "POST / HTTP/1.1\r\ncontent-LENGTH:0\r\nX: 1\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\r\n\n\r\nB;x=y\r\n0123456789a\r\n000\r\nT: 1\r\n\r\n",
    "PUT / HTTP/1.1\r\nX-Very-Long-Field-That-Is-Not-Kept-As-A-Whole-But-Cut-Off-Somewhere: content-length: 7\r\n\r\n",
    "DELETE / HTTP/1.0\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "POST / HTTP/1.1\r\nContent-Length: \t 00000000000000000000000000000000000000000000000000000000000000000000005\r\n\r\nabcde",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000000000000000000000000000000000000000000000000000000000003;a=b\r\nabc\r\n0000000000000000000000000000000000000000000000000000000000000000000000\r\n\r\n",
];

#[test]
fn a_request_is_read_to_its_end() {
    for request in REQUESTS {
        let mut framing = RequestFraming::default();
        let followed = format!("{request}{request}");
        assert_eq!(
            framing.advance(followed.as_bytes()),
            request.len(),
            "{request:?}"
        );
        assert!(framing.is_between_requests());
        assert_eq!(framing.head_count(), 1);
    }
}

#[test]
fn padding_of_chunks_is_counted_while_it_comes() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, expected) in [
        ("3\r\nabc\r\nB\r\n0123456789a\r\n0\r\n", 0),
        ("3;x=y\r\nabc\r\n", 4),
        ("0003\r\nabc\r\n", 3),
        ("3 \t\r\nabc\r\n", 2),
        ("000\r\n", 2),
        ("0\r\nT: 1\r\n", 6),
        ("0\r\nT: 1\r\nU", 7),
        ("3;aaaaaaaaaaaaaaaaaaaaaaaaa", 9),
    ] {
        let mut framing = RequestFraming::default();
        framing.advance([head, body].concat().as_bytes());
        assert_eq!(framing.padding(), expected, "{body:?}");
    }
}

#[test]
fn the_length_of_the_newest_target_is_known() {
    let mut framing = RequestFraming::default();
    for (bytes, expected) in [
        ("\r\nGET /", 1),
        ("aaaa", 5),
        (" HTTP/1.1\r\n", 5),
        ("Host: a-host-with-a-long-name\r\n\r\n", 5),
        ("OPTIONS * HTTP/1.1\r\n\r\n", 1),
    ] {
        framing.advance(bytes.as_bytes());
        assert_eq!(framing.target_length(), expected, "{bytes:?}");
    }
}

#[test]
fn the_method_of_the_newest_request_is_known() {
    let mut framing = RequestFraming::default();
    for (bytes, expected) in [
        ("HEAD /", true),
        ("a HTTP/1.1\r\n", true),
        ("X Y: a\r\n\r\n", true),
        ("\r\nGET / HTTP/1.1\r\n\r\n", false),
        ("HEADER / HTTP/1.1\r\n\r\n", false),
    ] {
        framing.advance(bytes.as_bytes());
        assert_eq!(framing.is_head_method(), expected, "{bytes:?}");
    }
}

#[test]
fn invalid_framing_is_read_whole() {
    for invalid in [
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        let mut framing = RequestFraming::default();
        assert_eq!(
            framing.advance(invalid.as_bytes()),
            invalid.len(),
            "{invalid:?}"
        );
    }
}

proptest! {
    #[test]
    fn request_ends_are_found_however_the_bytes_are_split(
        picks in prop::collection::vec(0..REQUESTS.len(), 1..6),
        sizes in prop::collection::vec(1_usize..40, 1..40),
    ) {
        let stream: String = picks.iter().map(|pick| REQUESTS[*pick]).collect();
        let (mut framing, mut ends, mut place) = (RequestFraming::default(), Vec::new(), 0);
        for size in sizes.iter().cycle() {
            let part = &stream.as_bytes()[place..stream.len().min(place + size)];
            if part.is_empty() {
                break;
            }
            let count = framing.advance(part);
            prop_assert!((1..=part.len()).contains(&count));
            place += count;
            let heads = usize::try_from(framing.head_count()).unwrap();
            if framing.is_between_requests() && ends.len() < heads {
                ends.push(place);
            }
        }
        let mut expected = Vec::new();
        for pick in &picks {
            expected.push(expected.last().unwrap_or(&0) + REQUESTS[*pick].len());
        }
        prop_assert_eq!(ends, expected);
    }
}
