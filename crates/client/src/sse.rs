//! Reads `text/event-stream` with `eventsource-stream`, within a bound.
//!
//! Source: WHATWG HTML, 9.2.6, "Interpreting an event stream".

mod frames;

use std::pin::Pin;
use std::time::Duration;

use eventsource_stream::{Event, EventStream, EventStreamError};
use futures_util::{Stream, StreamExt, stream};

use crate::error::{ClientError, RetryableError};
use crate::transport::convert_error;
use frames::FrameSplitter;

/// An empty data line, added to each frame.
///
/// `eventsource-stream` drops a frame without data, with its id and its retry time. But the id is
/// the position to resume after: a stream that begins with new messages starts with such a frame.
const EMPTY_DATA_LINE: &str = "data\n\n";

/// One frame of a stream: what stands between two blank lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The last id received up to here; empty if there was none.
    pub id: String,
    /// The delay before a reconnect, if the frame sets it.
    pub retry: Option<Duration>,
    /// The event; `None` if the frame has no data.
    pub event: Option<ServerEvent>,
}

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// Its type; `message` if none was sent.
    pub name: String,
    /// Its data; lines are joined by `\n`.
    pub data: String,
}

/// The frames of an open stream.
pub struct FrameStream {
    frames: Pin<Box<dyn Stream<Item = Result<Frame, ClientError>> + Send>>,
}

impl FrameStream {
    /// Reads the body of a response.
    pub(crate) fn new(response: reqwest::Response) -> Self {
        let bytes = response.bytes_stream();
        Self::from_bytes(bytes.map(|chunk| chunk.map_err(|error| convert_error(&error))))
    }

    fn from_bytes<B: AsRef<[u8]> + Send + 'static>(
        bytes: impl Stream<Item = Result<B, ClientError>> + Send + 'static,
    ) -> Self {
        let mut splitter = FrameSplitter::default();
        let texts = bytes.flat_map(move |chunk| {
            let frames = match chunk {
                Ok(chunk) => splitter.feed(chunk.as_ref()),
                Err(error) => vec![Err(error)],
            };
            stream::iter(frames)
        });
        let texts = texts.map(|text| text.map(|text| text + EMPTY_DATA_LINE));
        let frames = EventStream::new(texts).map(|event| event.map(frame).map_err(convert));
        Self {
            frames: Box::pin(frames),
        }
    }

    /// The next frame that is whole.
    ///
    /// # Errors
    /// Retryable if the connection ended; local if a frame exceeds 16 MiB.
    pub async fn next(&mut self) -> Result<Frame, ClientError> {
        let closed = || RetryableError::new("the server closed the stream");
        self.frames.next().await.ok_or_else(closed)?
    }
}

/// Removes the added data line. Data that was sent ends with the line feed before it.
fn frame(event: Event) -> Frame {
    let data = event.data.strip_suffix('\n');
    Frame {
        event: data.map(|data| ServerEvent {
            name: event.event,
            data: data.to_owned(),
        }),
        id: event.id,
        retry: event.retry,
    }
}

fn convert(error: EventStreamError<ClientError>) -> ClientError {
    match error {
        EventStreamError::Transport(error) => error,
        // Neither error occurs: the parser gets whole frames of valid UTF-8. A retry would not help.
        EventStreamError::Utf8(error) => ClientError::local(error),
        EventStreamError::Parser(error) => ClientError::local(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str, id: &str) -> Frame {
        Frame {
            id: id.to_owned(),
            retry: None,
            event: Some(ServerEvent {
                name: name.to_owned(),
                data: data.to_owned(),
            }),
        }
    }

    /// All frames of the bytes, which arrive in chunks of this size.
    async fn read(bytes: &[u8], size: usize) -> (Vec<Frame>, ClientError) {
        let chunks: Vec<_> = bytes.chunks(size).map(|part| Ok(part.to_vec())).collect();
        let mut stream = FrameStream::from_bytes(stream::iter(chunks));
        let mut frames = Vec::new();
        loop {
            match stream.next().await {
                Ok(frame) => frames.push(frame),
                Err(error) => return (frames, error),
            }
        }
    }

    async fn check(text: &str, expected: &[Frame]) {
        for size in [1, 3, text.len().max(1)] {
            let (frames, _) = read(text.as_bytes(), size).await;
            let events: Vec<_> = frames.into_iter().filter(|f| f.event.is_some()).collect();
            assert_eq!(events, expected, "{text:?} in chunks of {size}");
        }
    }

    #[tokio::test]
    async fn events_are_read_however_the_bytes_are_cut() {
        check("data: a\n\n", &[event("message", "a", "")]).await;
        check(
            ": hello\nid: 1\nevent: gap\ndata: {}\n\n",
            &[event("gap", "{}", "1")],
        )
        .await;
        check("data: a\r\ndata:b\r\n\r\n", &[event("message", "a\nb", "")]).await;
        check(
            "id: 1\ndata: a\n\ndata: b\n\n",
            &[event("message", "a", "1"), event("message", "b", "1")],
        )
        .await;
        check("event: x\n\ndata\n\n", &[event("message", "", "")]).await;
        check("data: привет\r\r", &[event("message", "привет", "")]).await;
        check("data: never finished\n", &[]).await;
        check("data\ndata\n\n", &[event("message", "\n", "")]).await;
        check("\u{feff}data: a\n\n", &[event("message", "a", "")]).await;
    }

    #[tokio::test]
    async fn an_id_counts_once_its_frame_is_whole() {
        let (frames, _) = read(b"id: 1\ndata: a\n\nid: 2\ndata: b\n", 1).await;
        assert_eq!(frames, [event("message", "a", "1")]);
        let (frames, _) = read(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\n\n", 1).await;
        let position = Frame {
            id: "3".to_owned(),
            ..Frame::default()
        };
        let expected = [
            event("message", "a", "1"),
            event("message", "b", "2"),
            position,
        ];
        assert_eq!(frames, expected, "also of a frame without data");
    }

    #[tokio::test]
    async fn a_retry_is_read_and_an_invalid_one_is_not() {
        let (frames, _) = read(b"retry: 1500\nretry: soon\n\n", 1).await;
        assert_eq!(frames[0].retry, Some(Duration::from_millis(1500)));
    }

    #[tokio::test]
    async fn bytes_that_are_not_utf_8_are_replaced() {
        let (frames, _) = read(b"data: a\xffb\n\ndata: c\n\n", 1).await;
        let expected = [
            event("message", "a\u{fffd}b", ""),
            event("message", "c", ""),
        ];
        assert_eq!(frames, expected);
    }

    #[tokio::test]
    async fn the_longest_message_fits_and_an_endless_line_is_refused() {
        let line = format!("data: {}\n\n", "🦀".repeat(1_000_000));
        let (frames, _) = read(line.as_bytes(), 8192).await;
        assert_eq!(frames.len(), 1);
        for endless in ["a", "data: a\n"] {
            let bytes = endless.repeat((16 << 20) / endless.len() + 1);
            let (frames, error) = read(bytes.as_bytes(), 8192).await;
            assert_eq!(frames, []);
            assert!(error.to_string().contains("16777216 bytes"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_end_of_the_stream_is_retryable() {
        let (_, error) = read(b"data: a\n\n", 1).await;
        assert!(matches!(error, ClientError::Retryable(_)), "{error}");
    }
}
