//! Finds the end of each request in the bytes of a connection (RFC 9112, sections 6 and 7).
//!
//! Gap: actix-http frames a response by the request that it decoded last, so a pipelined `HEAD`, `Connection: close`
//! or HTTP/1.0 request spoils the response before it. No public issue found. Red without it:
//! `a_pipelined_request_does_not_change_the_response_before_it`. Invalid framing is left to actix-http to reject.

use memchr::memchr;

/// How many bytes of a line are kept: a field's name and the values that matter are shorter.
const LINE_PREFIX: usize = 64;

/// The longest line of a chunk size without padding: 16 digits and CRLF.
const MAX_SIZE_LINE: usize = 18;

/// How a request line of the method `HEAD` begins.
const HEAD_METHOD: &[u8] = b"HEAD ";

/// How the field with the length of a body begins.
const CONTENT_LENGTH: &[u8] = b"content-length:";

/// How a request line ends behind its target.
const VERSION: &str = " HTTP/1.1\r\n";

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(crate) struct RequestFraming {
    state: ParseState,
    /// The first bytes of the current line.
    line: Vec<u8>,
    /// The length of the current line, and of the target of the newest request, in bytes.
    line_length: usize,
    target_length: usize,
    /// True if the newest head that was read so far is one of `HEAD`.
    is_head_method: bool,
    /// The bytes of the current body that are neither its data nor the least framing of it.
    padding: usize,
    head: Head,
    head_count: u64,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ParseState {
    /// A line of a head.
    #[default]
    Head,
    /// A body, with so many bytes left.
    Body(u64),
    /// The line with a chunk's size.
    ChunkSize,
    /// A chunk, with so many bytes left.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// A line of the trailer section.
    Trailer,
    /// Unknown: the framing is invalid, and no later end can be found.
    Unknown,
}

/// The fields of the current head that frame its body.
#[derive(Debug, Default)]
struct Head {
    has_started: bool,
    length: Option<u64>,
    is_chunked: bool,
    is_invalid: bool,
}

impl RequestFraming {
    /// Reads `bytes`, at most to the end of a request; returns how many it read.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let has_request_ended = match self.state {
                ParseState::Unknown => return bytes.len(),
                ParseState::Body(left) | ParseState::Chunk(left) => self.skip_data(left, &mut rest),
                _ => self.read_line(&mut rest),
            };
            if has_request_ended {
                break;
            }
        }
        bytes.len() - rest.len()
    }

    /// True if no request is partly read.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.state == ParseState::Head && !self.head.has_started && self.line.is_empty()
    }

    /// The length of the target of the newest request in bytes, as far as it was read.
    pub(crate) fn target_length(&self) -> usize {
        if self.state == ParseState::Head && !self.head.has_started {
            let read = self.line_length.saturating_sub(method_length(&self.line));
            self.target_length.max(read)
        } else {
            self.target_length
        }
    }

    /// True if the newest request, as far as it was read, has the method `HEAD`.
    pub(crate) fn is_head_method(&self) -> bool {
        if self.state == ParseState::Head && !self.head.has_started && !self.line.is_empty() {
            self.line.starts_with(HEAD_METHOD)
        } else {
            self.is_head_method
        }
    }

    /// How many bytes of the current body, as far as it was read, are neither its data nor the least framing of it: chunk
    /// extensions, leading zeros and white space of chunk sizes, the trailer section.
    pub(crate) fn padding(&self) -> usize {
        let unfinished = match self.state {
            ParseState::ChunkSize => self.line_length.saturating_sub(MAX_SIZE_LINE),
            ParseState::Trailer => self.line_length,
            _ => 0,
        };
        self.padding.saturating_add(unfinished)
    }

    /// How many heads were read to their end.
    pub(crate) fn head_count(&self) -> u64 {
        self.head_count
    }

    /// Skips up to `left` bytes of a body or chunk; returns true at the end of the request.
    fn skip_data(&mut self, left: u64, rest: &mut &[u8]) -> bool {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        *rest = rest.get(count..).unwrap_or_default();
        let left = left - u64::try_from(count).unwrap_or(left);
        self.state = match self.state {
            ParseState::Body(_) if left == 0 => ParseState::Head,
            ParseState::Body(_) => ParseState::Body(left),
            _ if left == 0 => ParseState::ChunkEnd,
            _ => ParseState::Chunk(left),
        };
        self.state == ParseState::Head
    }

    /// Reads up to the end of the current line; returns true at the end of the request.
    fn read_line(&mut self, rest: &mut &[u8]) -> bool {
        let end = memchr(b'\n', rest).map_or(rest.len(), |index| index + 1);
        let (part, after) = rest.split_at(end);
        *rest = after;
        self.line_length = self.line_length.saturating_add(part.len());
        let mut left = part;
        loop {
            let free = LINE_PREFIX.saturating_sub(self.line.len());
            let (kept, cut_off) = left.split_at(free.min(left.len()));
            self.line.extend_from_slice(kept);
            left = cut_off;
            if left.is_empty() || !self.drop_leading_zeros() {
                break;
            }
        }
        part.ends_with(b"\n") && self.end_line()
    }

    /// Makes space for the digits that count in a length of which only leading zeros and blanks are kept; returns false if
    /// the line is something else.
    fn drop_leading_zeros(&mut self) -> bool {
        let start = match self.state {
            ParseState::Head => CONTENT_LENGTH.len(),
            ParseState::ChunkSize => 0,
            _ => return false,
        };
        let Some((name, value)) = self.line.split_at_checked(start) else {
            return false;
        };
        let is_length = start == 0 || name.eq_ignore_ascii_case(CONTENT_LENGTH);
        let is_padding = |byte: &u8| *byte == b'0' || start > 0 && matches!(byte, b' ' | b'\t');
        if !is_length || !value.iter().all(is_padding) {
            return false;
        }
        let zero = value.contains(&b'0').then_some(b'0');
        self.line.truncate(start);
        self.line.extend(zero);
        true
    }

    /// Acts on the line that has ended; returns true at the end of the request.
    fn end_line(&mut self) -> bool {
        let mut line = std::mem::take(&mut self.line);
        let length = std::mem::take(&mut self.line_length);
        let text = line.trim_ascii_end();
        if self.state == ParseState::Head && !self.head.has_started {
            let around = method_length(text) + VERSION.len();
            self.target_length = length.saturating_sub(around);
            self.is_head_method = text.starts_with(HEAD_METHOD);
        }
        self.padding = self.padding.saturating_add(match self.state {
            ParseState::ChunkSize => length.saturating_sub(least_size_line(text)),
            ParseState::Trailer if !text.is_empty() => length,
            _ => 0,
        });
        match self.state {
            ParseState::Head if !text.is_empty() => self.head.read_line(text),
            ParseState::Head if self.head.has_started => self.end_head(),
            ParseState::ChunkSize => self.state = after_chunk_size(text),
            ParseState::ChunkEnd if text.is_empty() => self.state = ParseState::ChunkSize,
            ParseState::ChunkEnd => self.state = ParseState::Unknown,
            ParseState::Trailer if text.is_empty() => self.state = ParseState::Head,
            // A field of the trailer section, or an empty line before a request line (RFC 9112, 2.2).
            _ => {}
        }
        let is_empty = text.is_empty();
        // The buffer is kept for the next line.
        line.clear();
        self.line = line;
        is_empty && self.head_count > 0 && self.is_between_requests()
    }

    fn end_head(&mut self) {
        self.head_count = self.head_count.wrapping_add(1);
        self.padding = 0;
        let head = std::mem::take(&mut self.head);
        self.state = match head.length {
            _ if head.is_invalid => ParseState::Unknown,
            _ if head.is_chunked => ParseState::ChunkSize,
            Some(length) if length > 0 => ParseState::Body(length),
            _ => ParseState::Head,
        };
    }
}

impl Head {
    /// Reads a request line or field line for what frames the body.
    fn read_line(&mut self, line: &[u8]) {
        self.has_started = true;
        let Some(colon) = memchr(b':', line) else {
            return;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let length = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
            // Two lengths that differ are an attempt to smuggle a request.
            self.is_invalid |=
                length.is_none() || self.length.is_some_and(|other| Some(other) != length);
            self.length = length;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = true;
        }
    }
}

/// The length of the method and the space behind it, with which a request line starts.
fn method_length(line: &[u8]) -> usize {
    memchr(b' ', line).map_or(0, |space| space + 1)
}

/// The length of the shortest line, with CRLF, that has the size of the chunk in `line`.
fn least_size_line(line: &[u8]) -> usize {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let significant = digits.skip_while(|byte| **byte == b'0').count();
    significant.max(1) + 2
}

/// The state after the line of a chunk's size, which extensions may follow.
fn after_chunk_size(line: &[u8]) -> ParseState {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    // What was cut off may be the digits that count.
    if end.is_none() && line.len() >= LINE_PREFIX {
        return ParseState::Unknown;
    }
    let digits = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
    let size = std::str::from_utf8(digits).map(|digits| u64::from_str_radix(digits, 16));
    match size {
        Ok(Ok(0)) => ParseState::Trailer,
        Ok(Ok(size)) => ParseState::Chunk(size),
        _ => ParseState::Unknown,
    }
}

#[cfg(test)]
mod tests;
