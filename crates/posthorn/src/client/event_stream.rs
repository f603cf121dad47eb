//! Reads `text/event-stream`: bytes in, events out.
//!
//! Source: WHATWG HTML, 9.2.6, "Interpreting an event stream".

/// The longest line and the longest data that are kept; a server that sends more is refused. The
/// longest text that a server may be set to take has 4 MB, and JSON may double it.
const MAX_BYTES: usize = 16 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type; `message` when none was sent.
    pub(super) name: String,
    /// Its data, lines joined by `\n`.
    pub(super) data: String,
    /// The last id that was sent up to here.
    pub(super) id: String,
}

/// The server sent more than is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent an event of over {MAX_BYTES} bytes")]
pub(super) struct TooLong;

/// The state between two chunks of bytes.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    after_carriage_return: bool,
    name: String,
    data: String,
    /// The id in the frame that is being read, or the one before.
    next_id: String,
    /// The id of the last frame that was whole, with an event or without.
    pub(super) id: String,
    /// The wait before a reconnect that the server asked for, in milliseconds.
    pub(super) retry: Option<u64>,
}

impl Parser {
    /// Takes the next bytes; gives the events that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.after_carriage_return) => {}
                b'\n' | b'\r' => {
                    self.after_carriage_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.take_line(&String::from_utf8_lossy(&line))?);
                }
                _ => {
                    self.after_carriage_return = false;
                    self.line.push(*byte);
                    if self.line.len() > MAX_BYTES {
                        return Err(TooLong);
                    }
                }
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &str) -> Result<Option<Event>, TooLong> {
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
                if self.data.len() > MAX_BYTES {
                    return Err(TooLong);
                }
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.next_id),
            "retry" => self.retry = value.parse().ok().or(self.retry),
            // A comment, or a field that nobody knows.
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Event> {
        let mut data = std::mem::take(&mut self.data);
        let name = std::mem::take(&mut self.name);
        // Not before: of a frame that is cut off nobody has seen the event.
        self.next_id.clone_into(&mut self.id);
        // Nothing but comments and fields: no event.
        data.pop()?;
        let name = if name.is_empty() {
            "message".to_owned()
        } else {
            name
        };
        Some(Event {
            name,
            data,
            id: self.id.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str, id: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
            id: id.to_owned(),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[Event]) {
        for size in [1, 3, text.len().max(1)] {
            let mut parser = Parser::default();
            let events: Vec<_> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|part| parser.feed(part).unwrap())
                .collect();
            assert_eq!(events, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn events_are_read_however_the_bytes_are_cut() {
        check("data: a\n\n", &[event("message", "a", "")]);
        check(
            ": hello\nid: 1\nevent: gap\ndata: {}\n\n",
            &[event("gap", "{}", "1")],
        );
        check("data: a\r\ndata:b\r\n\r\n", &[event("message", "a\nb", "")]);
        check(
            "id: 1\ndata: a\n\ndata: b\n\n",
            &[event("message", "a", "1"), event("message", "b", "1")],
        );
        check("event: x\n\ndata\n\n", &[event("message", "", "")]);
        check("data: привет\r\r", &[event("message", "привет", "")]);
        check("data: never finished\n", &[]);
    }

    #[test]
    fn an_id_counts_once_its_frame_is_whole() {
        let mut parser = Parser::default();
        parser.feed(b"id: 1\ndata: a\n\n").unwrap();
        assert_eq!(parser.id, "1");
        for part in ["id: 2", "\n", "data: b", "\n"] {
            assert_eq!(parser.feed(part.as_bytes()), Ok(Vec::new()));
            assert_eq!(parser.id, "1", "after {part:?}");
        }
        assert_eq!(parser.feed(b"\n"), Ok(vec![event("message", "b", "2")]));
        assert_eq!(parser.id, "2");
        assert_eq!(parser.feed(b"id: 3\n\n"), Ok(Vec::new()));
        assert_eq!(parser.id, "3", "a frame without data");
    }

    #[test]
    fn a_retry_is_remembered_and_nonsense_is_not() {
        let mut parser = Parser::default();
        parser.feed(b"retry: 1500\nretry: soon\n").unwrap();
        assert_eq!(parser.retry, Some(1500));
    }

    #[test]
    fn the_longest_message_fits_and_an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let line = format!("data: {}\n\n", "🦀".repeat(1_000_000));
        assert_eq!(
            parser.feed(line.as_bytes()).map(|events| events.len()),
            Ok(1)
        );
        assert_eq!(parser.feed(&vec![b'a'; MAX_BYTES + 1]), Err(TooLong));
    }
}
