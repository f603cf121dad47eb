//! Where a request ends among the bytes of its connection (RFC 9112, 6 and 7).
//!
//! The library frames an answer by the request that it has decoded last, so it must not get the next
//! one before. What is read here decides nothing else: a request that is framed wrongly is refused by
//! the library.

use memchr::memchr;

/// How much of a line is looked at: what matters stands at its beginning.
const KEPT: usize = 64;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Framing {
    place: Place,
    /// The beginning of the line at hand.
    line: Vec<u8>,
    /// Of the head at hand: whether it has begun, and what it says of its body.
    has_begun: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_wrong: bool,
    heads: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// A line of a head.
    #[default]
    Head,
    /// So many bytes of a body.
    Sized(u64),
    /// The line with a chunk's size.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line's end after a chunk.
    ChunkEnd,
    /// A line of the trailer.
    Trailer,
    /// Nothing is known any more.
    Unknown,
}

impl Framing {
    /// Goes on over `bytes`, at most to the end of a request; says how many they were.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let left = match self.place {
                Place::Unknown => return bytes.len(),
                Place::Sized(left) | Place::Chunk(left) => left,
                _ => {
                    let (line, after) = split_line(rest);
                    let room = KEPT.saturating_sub(self.line.len()).min(line.len());
                    self.line
                        .extend_from_slice(line.get(..room).unwrap_or(line));
                    rest = after;
                    if line.ends_with(b"\n") && self.end_line() {
                        break;
                    }
                    continue;
                }
            };
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let left = left - u64::try_from(count).unwrap_or(left);
            rest = rest.get(count..).unwrap_or_default();
            self.place = match self.place {
                Place::Sized(_) if left == 0 => Place::Head,
                Place::Sized(_) => Place::Sized(left),
                _ if left == 0 => Place::ChunkEnd,
                _ => Place::Chunk(left),
            };
            if self.place == Place::Head {
                break;
            }
        }
        bytes.len() - rest.len()
    }

    /// Whether nothing of a request is there that is not whole.
    pub(super) fn is_between(&self) -> bool {
        self.place == Place::Head && !self.has_begun && self.line.is_empty()
    }

    /// How many heads have ended.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// A line has ended; says whether a request has.
    fn end_line(&mut self) -> bool {
        let mut line = std::mem::take(&mut self.line);
        let text = line.trim_ascii_end();
        let is_empty = text.is_empty();
        match self.place {
            // Empty lines before a head do not count.
            Place::Head if is_empty && self.has_begun => self.end_head(),
            Place::Head if !is_empty => {
                self.has_begun = true;
                self.read_field(text);
            }
            Place::Size => {
                self.place = match chunk_size(text) {
                    Some(0) => Place::Trailer,
                    Some(size) => Place::Chunk(size),
                    None => Place::Unknown,
                }
            }
            Place::ChunkEnd if is_empty => self.place = Place::Size,
            Place::ChunkEnd => self.place = Place::Unknown,
            Place::Trailer if is_empty => self.place = Place::Head,
            _ => {}
        }
        // Its room is kept for the next line.
        line.clear();
        self.line = line;
        self.is_between() && is_empty && self.heads > 0
    }

    fn end_head(&mut self) {
        self.heads = self.heads.wrapping_add(1);
        self.place = match (self.is_wrong, self.is_chunked, self.length) {
            (true, ..) => Place::Unknown,
            (false, true, _) => Place::Size,
            (false, false, Some(length)) if length > 0 => Place::Sized(length),
            (false, false, _) => Place::Head,
        };
        self.has_begun = false;
        self.length = None;
        self.is_chunked = false;
        self.is_wrong = false;
    }

    fn read_field(&mut self, line: &[u8]) {
        let Some(colon) = memchr(b':', line) else {
            return;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let length = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
            self.is_wrong |=
                length.is_none() || self.length.is_some_and(|other| Some(other) != length);
            self.length = length;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = true;
        }
    }
}

/// Up to the end of a line, with it, and what comes after.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', bytes).map_or(bytes.len(), |place| place + 1);
    bytes.split_at(end)
}

/// The size of a chunk, which extensions may follow.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    let digits = line.get(..end.unwrap_or(line.len()))?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUESTS: [&str; 9] = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a:80/ HTTP/1.1\nHost: a\n\n",
        "\r\n\r\nHEAD / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\r\n\r\na",
        "POST / HTTP/1.1\r\ncontent-LENGTH:0\r\nX: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\r\n\n\r\nB;x=y\r\n0123456789a\r\n000\r\nT: 1\r\n\r\n",
        "PUT / HTTP/1.1\r\nX-Very-Long-Field-That-Is-Not-Kept-As-A-Whole-But-Cut-Off-Somewhere: content-length: 7\r\n\r\n",
        "DELETE / HTTP/1.0\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    ];

    #[test]
    fn a_request_is_taken_to_its_end() {
        for request in REQUESTS {
            let mut framing = Framing::default();
            let followed = format!("{request}{request}");
            assert_eq!(
                framing.take(followed.as_bytes()),
                request.len(),
                "{request:?}"
            );
            assert!(framing.is_between());
            assert_eq!(framing.heads(), 1);
        }
    }

    #[test]
    fn what_is_framed_wrongly_is_taken_whole() {
        for wrong in [
            "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            let mut framing = Framing::default();
            assert_eq!(framing.take(wrong.as_bytes()), wrong.len(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn requests_end_where_they_end_however_they_come(
            picks in prop::collection::vec(0..REQUESTS.len(), 1..6),
            sizes in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let stream: String = picks.iter().map(|pick| REQUESTS[*pick]).collect();
            let (mut framing, mut ends, mut place) = (Framing::default(), Vec::new(), 0);
            for size in sizes.iter().cycle() {
                let part = &stream.as_bytes()[place..stream.len().min(place + size)];
                if part.is_empty() {
                    break;
                }
                let count = framing.take(part);
                prop_assert!((1..=part.len()).contains(&count));
                place += count;
                let heads = usize::try_from(framing.heads()).unwrap();
                if framing.is_between() && ends.len() < heads {
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
}
