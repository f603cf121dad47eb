//! `posthorn tail`: follows a topic, through every disconnect.

mod last;

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use posthorn_domain::{MessageId, Topic};

use super::message_line::{MessageLine, message_line};
use super::server::ServerArguments;
use super::values;
use crate::api::ApiClient;
use crate::console::{escape_control, print_error, wait_until_output_closes};
use crate::error::ClientError;
use crate::retry::Retry;
use crate::sse::{FrameStream, ServerEvent};
use last::read_last;

/// The most messages of `--last`, which are read before the first is printed.
const MAX_LAST: u64 = 1000;
/// A time before every message, as a duration back. Where a topic is empty, a stream since then loses
/// no message that is accepted before the stream is open, and reports none that was removed before.
const BEFORE_ALL: &str = "36500d";

/// The arguments of `posthorn tail`.
#[derive(Clone, Debug, Args)]
pub struct TailArguments {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    topic: Topic,
    /// Start right after this message; by default with the next accepted message.
    #[arg(long, value_name = "ID", value_parser = MessageId::parse_position)]
    after: Option<MessageId>,
    /// Start with the messages accepted since a time (RFC 3339), or since a duration back such as 15m.
    #[arg(long, value_name = "TIME", conflicts_with = "after", value_parser = values::since)]
    since: Option<String>,
    /// Start with the last messages, at most 1000.
    #[arg(short = 'n', long, value_name = "NUMBER", conflicts_with_all = ["after", "since"],
        value_parser = values::number_between::<u32>(0, MAX_LAST))]
    last: Option<u32>,
    /// Print each message as a line of JSON.
    #[arg(long)]
    json: bool,
    /// The server.
    #[command(flatten)]
    pub(super) server: ServerArguments,
}

/// Why the client stopped reading a stream.
enum StreamEnd {
    /// The stream ended; the server may have set the delay before the next.
    Reconnect(Option<Duration>),
    /// The reader of standard output is gone.
    OutputClosed,
}

/// Follows the topic until the output is closed or the server rejects the request.
pub(super) async fn run(arguments: &TailArguments) -> Result<String, ClientError> {
    let client = arguments.server.client()?;
    let mut output = io::stdout();
    tokio::select! {
        outcome = follow(&client, arguments, &mut output) => outcome?,
        () = wait_until_output_closes() => {}
    }
    Ok(String::new())
}

/// Prints every message once, in order: a new connection resumes right after the last printed
/// message.
async fn follow(
    client: &ApiClient,
    arguments: &TailArguments,
    output: &mut (dyn Write + Send),
) -> Result<(), ClientError> {
    let (topic, json) = (&arguments.topic, arguments.json);
    let mut retry = Retry::unlimited();
    let mut last_id = arguments.after.map(|id| id.to_string());
    let mut since = arguments.since.as_deref();
    if let Some(count) = arguments.last.filter(|count| *count > 0) {
        let last = read_last(client, topic, count, &mut retry).await?;
        for message in &last.messages {
            let line = message_line(message, json).map_err(ClientError::local)?;
            match output.write_all(line.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                outcome => outcome.map_err(ClientError::local)?,
            }
        }
        output.flush().map_err(ClientError::local)?;
        last_id = last.newest_id;
        since = Some(BEFORE_ALL);
    }
    loop {
        let stream = match client.open_stream(topic, last_id.as_deref(), since).await {
            Ok(stream) => stream,
            Err(ClientError::Retryable(error)) => {
                retry.wait_after(&error).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        retry.connected();
        let mut printer = StreamPrinter {
            json,
            last_id: &mut last_id,
            output: &mut *output,
            retry: &mut retry,
        };
        match printer.run(stream).await? {
            StreamEnd::OutputClosed => return Ok(()),
            StreamEnd::Reconnect(delay) => retry.wait_to_reconnect(delay).await,
        }
    }
}

/// Prints the messages of one open stream.
struct StreamPrinter<'a> {
    json: bool,
    last_id: &'a mut Option<String>,
    output: &'a mut (dyn Write + Send),
    retry: &'a mut Retry,
}

impl StreamPrinter<'_> {
    async fn run(&mut self, mut stream: FrameStream) -> Result<StreamEnd, ClientError> {
        let mut delay = None;
        loop {
            let frame = match stream.next().await {
                Ok(frame) => frame,
                Err(ClientError::Retryable(_)) => return Ok(StreamEnd::Reconnect(delay)),
                Err(error) => return Err(error),
            };
            delay = frame.retry.or(delay);
            // The server stops, or has no capacity for another stream.
            let is_end = |event: &ServerEvent| matches!(event.name.as_str(), "bye" | "busy");
            let is_last = frame.event.as_ref().is_some_and(is_end);
            if let Some(event) = frame.event.filter(|_| !is_last) {
                match self.handle(&event) {
                    Ok(()) => self.retry.reset(),
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        return Ok(StreamEnd::OutputClosed);
                    }
                    Err(error) => return Err(ClientError::local(error)),
                }
            }
            // Only after the message is printed, so that a failure repeats it. A frame without an
            // event has an id, too: the position where a stream of new messages begins.
            if !frame.id.is_empty() {
                *self.last_id = Some(frame.id);
            }
            if is_last {
                return Ok(StreamEnd::Reconnect(delay));
            }
        }
    }

    fn handle(&mut self, event: &ServerEvent) -> io::Result<()> {
        match event.name.as_str() {
            "message" => self.print(&event.data),
            "gap" => {
                let data = escape_control(&event.data);
                print_error(&format!("a gap: messages were removed or lost: {data}"));
                Ok(())
            }
            "unreadable" => {
                let data = escape_control(&event.data);
                print_error(&format!(
                    "a stored message is damaged and not shown: {data}"
                ));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn print(&mut self, data: &str) -> io::Result<()> {
        if self.json {
            writeln!(self.output, "{data}")?;
        } else {
            let line: MessageLine = serde_json::from_str(data)?;
            writeln!(self.output, "{line}")?;
        }
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output for a message with this text.
    fn printed(message: &str, json: bool) -> String {
        let data = serde_json::json!({ "id": "1", "message": message, "processed_at": "now" });
        let event = ServerEvent {
            name: "message".to_owned(),
            data: data.to_string(),
        };
        let mut output = Vec::new();
        let mut printer = StreamPrinter {
            json,
            last_id: &mut None,
            output: &mut output,
            retry: &mut Retry::unlimited(),
        };
        printer.handle(&event).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_text_is_one_line_without_control_characters() {
        for (text, shown) in [
            ("a\nnow  2  forged", r"a\nnow  2  forged"),
            ("a\r\tb", r"a\r\tb"),
            (
                "\u{1b}[2J\u{7}\u{7f}\u{9b}31m",
                r"\u{1b}[2J\u{7}\u{7f}\u{9b}31m",
            ),
            ("a\u{202e}b\u{2066}\u{2029}", r"a\u{202e}b\u{2066}\u{2029}"),
            ("привет, \"🦀\" C:\\", "привет, \"🦀\" C:\\"),
        ] {
            assert_eq!(printed(text, false), format!("now  1  {shown}\n"));
        }
    }

    #[test]
    fn json_is_printed_as_it_was_received() {
        let printed = printed("a\nb\u{1b}", true);
        let message: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(message["message"], "a\nb\u{1b}");
        assert_eq!(printed.lines().count(), 1, "{printed}");
    }
}
