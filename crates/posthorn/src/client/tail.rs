//! `posthorn tail`: follows a topic, through every disconnect.

use std::io::{self, Write};
use std::time::Duration;

use posthorn_application::Clock;
use posthorn_domain::Topic;
use reqwest::{Response, Url};
use serde::Deserialize;

use super::backoff::Backoff;
use super::event_stream::{Event, Parser};
use super::notices::Notices;
use super::{ClientError, Failure, Server, header, transport};
use crate::run::tell;

/// A stream that is silent for longer than this is dead: the server sends a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// What a stream is called.
const MEDIA_TYPE: &str = "text/event-stream";

/// What to follow.
#[derive(Clone, Debug)]
pub(crate) struct TailRequest {
    /// The topic.
    pub(crate) topic: Topic,
    /// Start right after this id; from now on when `None`.
    pub(crate) after: Option<String>,
    /// Print each message as the JSON the server sent.
    pub(crate) json: bool,
}

/// What of a message a person wants to read.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    message: String,
    processed_at: String,
}

/// Why one connection ended.
enum Ended {
    /// To be opened again.
    Again(Failure),
    /// For good: the reader of our output went away.
    OutputClosed,
}

/// Follows until the output is closed or the server refuses. Every message is printed once, in
/// order: a new connection resumes right after the last one printed.
pub(crate) async fn tail(
    server: &Server,
    request: &TailRequest,
    clock: &dyn Clock,
    output: &mut (dyn Write + Send),
) -> Result<(), ClientError> {
    let client = server.client(Some(SILENCE))?;
    let endpoint = server.endpoint(&format!("api/v1/topics/{}/stream", request.topic))?;
    let mut backoff = Backoff::default();
    let mut notices = Notices::default();
    let mut last_id = request.after.clone();
    loop {
        let ended = match connect(&client, &endpoint, last_id.as_deref()).await? {
            Ok(response) => {
                notices.answered();
                let mut reading = Reading {
                    request,
                    last_id: &mut last_id,
                    output,
                    backoff: &mut backoff,
                };
                reading.run(response).await?
            }
            Err(failure) => {
                notices.failed(&failure.reason);
                Ended::Again(failure)
            }
        };
        match ended {
            Ended::OutputClosed => return Ok(()),
            Ended::Again(Failure { reason, asked }) => {
                let wait = backoff.next(asked);
                tracing::debug!(%reason, ?wait, "the stream ended, opening it again");
                clock.sleep(wait).await;
            }
        }
    }
}

/// Opens a stream; the outer error is for good.
async fn connect(
    client: &reqwest::Client,
    endpoint: &Url,
    last_id: Option<&str>,
) -> Result<Result<Response, Failure>, ClientError> {
    let mut builder = client
        .get(endpoint.clone())
        .header(reqwest::header::ACCEPT, MEDIA_TYPE);
    if let Some(id) = last_id {
        builder = builder.header("Last-Event-ID", header("--after", id)?);
    }
    let response = match builder.send().await {
        Ok(response) => response,
        Err(error) => return Failure::of_transport(&error).map(Err),
    };
    if response.status().is_success() {
        return is_stream(&response).map(|()| Ok(response));
    }
    Failure::of_answer(response).await.map(Err)
}

/// Whether the answer is a stream: anything else is not the server that was meant.
fn is_stream(response: &Response) -> Result<(), ClientError> {
    let kind = response.headers().get(reqwest::header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(MEDIA_TYPE) {
        Ok(())
    } else {
        Err(ClientError::NoStream(
            response.status().as_u16(),
            kind.to_owned(),
        ))
    }
}

/// One open stream.
struct Reading<'a> {
    request: &'a TailRequest,
    last_id: &'a mut Option<String>,
    output: &'a mut (dyn Write + Send),
    backoff: &'a mut Backoff,
}

impl Reading<'_> {
    async fn run(&mut self, mut response: Response) -> Result<Ended, ClientError> {
        let mut parser = Parser::default();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(again("the server closed the stream", &parser)),
                Err(error) => return Ok(again(&transport(&error), &parser)),
            };
            let events = parser
                .feed(&chunk)
                .map_err(|error| ClientError::Local(error.to_string()))?;
            for event in &events {
                if event.name == "bye" {
                    // The chunk may also hold a frame that names a place and is no event.
                    self.resume_after(&event.id);
                    return Ok(again("the server is stopping", &parser));
                }
                match self.take(event) {
                    Ok(()) => self.backoff.reset(),
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        return Ok(Ended::OutputClosed);
                    }
                    Err(error) => return Err(ClientError::Local(error.to_string())),
                }
                self.resume_after(&event.id);
            }
            // A frame without an event names a place, too: where a stream begins that starts from
            // now on.
            self.resume_after(&parser.id);
        }
    }

    fn resume_after(&mut self, id: &str) {
        if !id.is_empty() {
            id.clone_into(self.last_id.get_or_insert_default());
        }
    }

    fn take(&mut self, event: &Event) -> io::Result<()> {
        match event.name.as_str() {
            "message" => self.print(event),
            "gap" => {
                warn_of_gap(&event.data);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn print(&mut self, event: &Event) -> io::Result<()> {
        if self.request.json {
            writeln!(self.output, "{}", event.data)?;
        } else {
            let Line {
                id,
                message,
                processed_at,
            } = serde_json::from_str(&event.data)?;
            let line = printable(&format!("{processed_at}  {id}  {message}"));
            writeln!(self.output, "{line}")?;
        }
        self.output.flush()
    }
}

fn again(reason: &str, parser: &Parser) -> Ended {
    Ended::Again(Failure {
        reason: reason.to_owned(),
        asked: parser.retry.map(Duration::from_millis),
    })
}

fn warn_of_gap(data: &str) {
    let data = printable(data);
    tell(&format!(
        "messages between were pruned and are not shown: {data}"
    ));
}

/// The text with its control characters escaped. A line feed would let a sender forge a line of its
/// own, and others command the terminal.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed of a message with this text.
    fn printed(message: &str, json: bool) -> String {
        let request = TailRequest {
            topic: Topic::inbox(),
            after: None,
            json,
        };
        let data = serde_json::json!({ "id": "1", "message": message, "processed_at": "now" });
        let event = Event {
            name: "message".to_owned(),
            data: data.to_string(),
            id: "1".to_owned(),
        };
        let mut output = Vec::new();
        let mut reading = Reading {
            request: &request,
            last_id: &mut None,
            output: &mut output,
            backoff: &mut Backoff::default(),
        };
        reading.take(&event).unwrap();
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
            ("привет, \"🦀\" C:\\", "привет, \"🦀\" C:\\"),
        ] {
            assert_eq!(printed(text, false), format!("now  1  {shown}\n"));
        }
    }

    #[test]
    fn json_is_printed_as_it_came() {
        let printed = printed("a\nb\u{1b}", true);
        let message: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(message["message"], "a\nb\u{1b}");
        assert_eq!(printed.lines().count(), 1, "{printed}");
    }
}
