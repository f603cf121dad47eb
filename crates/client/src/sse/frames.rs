//! Splits the bytes of an event stream into whole frames, within a bound.
//!
//! `eventsource-stream` buffers without a bound, yields nothing more after an invalid byte, and
//! parses an unfinished line again with every chunk. Whole frames of valid UTF-8 avoid all three.

use crate::error::ClientError;

/// The longest frame. The longest text that a server can be configured to accept has 4 MB, and JSON
/// may double it.
const MAX_FRAME_BYTES: usize = 16 << 20;

/// The frame that is being received.
#[derive(Debug, Default)]
pub(super) struct FrameSplitter {
    frame: Vec<u8>,
    line_start: usize,
    after_carriage_return: bool,
}

impl FrameSplitter {
    /// Adds bytes; returns the frames that they complete, each without the blank line at its end,
    /// and the error that ends the stream, if there is one.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Result<String, ClientError>> {
        let mut frames = Vec::new();
        for byte in bytes {
            let after_carriage_return =
                std::mem::replace(&mut self.after_carriage_return, *byte == b'\r');
            match byte {
                // The second half of a line end.
                b'\n' if after_carriage_return => {}
                b'\n' | b'\r' => frames.extend(self.end_line().map(Ok)),
                _ => self.frame.push(*byte),
            }
            if self.frame.len() > MAX_FRAME_BYTES {
                let text = format!("the server sent an event of over {MAX_FRAME_BYTES} bytes");
                frames.push(Err(ClientError::Local(text)));
                break;
            }
        }
        frames
    }

    fn end_line(&mut self) -> Option<String> {
        let line = self.frame.get(self.line_start..).unwrap_or_default();
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            self.line_start = 0;
            // `eventsource-stream` 0.2.3 panics on a byte order mark.
            let text = String::from_utf8_lossy(&frame);
            let text = text.trim_start_matches('\u{feff}');
            return (!text.is_empty()).then(|| text.to_owned());
        }
        if line.starts_with(b":") {
            // A comment keeps the connection alive and may come without a blank line, for ever.
            self.frame.truncate(self.line_start);
        } else {
            self.frame.push(b'\n');
        }
        self.line_start = self.frame.len();
        None
    }
}
