//! `posthorn tail`: follows a topic, through every disconnect.

use std::io::{self, Write};
use std::time::Duration;

use posthorn_application::Clock;
use reqwest::{Response, Url};
use serde::Deserialize;

use super::backoff::Backoff;
use super::event_stream::{Event, Parser};
use super::{ClientError, Server, explain, may_succeed_later, retry_after, transport};

/// A stream that is silent for longer than this is dead: the server sends a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// What to follow.
#[derive(Clone, Debug)]
pub(crate) struct TailRequest {
    /// The topic.
    pub(crate) topic: String,
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
    Again {
        reason: String,
        asked: Option<Duration>,
    },
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
    let mut last_id = request.after.clone();
    loop {
        let ended = match connect(&client, &endpoint, last_id.as_deref()).await? {
            Ok(response) => {
                let mut reading = Reading {
                    request,
                    last_id: &mut last_id,
                    output,
                    backoff: &mut backoff,
                };
                reading.run(response).await?
            }
            Err(ended) => ended,
        };
        match ended {
            Ended::OutputClosed => return Ok(()),
            Ended::Again { reason, asked } => {
                let wait = backoff.next(asked);
                tracing::debug!(%reason, ?wait, "the stream ended, opening it again");
                clock.sleep(wait).await;
            }
        }
    }
}

async fn connect(
    client: &reqwest::Client,
    endpoint: &Url,
    last_id: Option<&str>,
) -> Result<Result<Response, Ended>, ClientError> {
    let mut builder = client
        .get(endpoint.clone())
        .header(reqwest::header::ACCEPT, "text/event-stream");
    if let Some(id) = last_id {
        builder = builder.header("Last-Event-ID", id);
    }
    let response = match builder.send().await {
        Ok(response) => response,
        Err(error) => {
            return Ok(Err(Ended::Again {
                reason: transport(&error),
                asked: None,
            }));
        }
    };
    let status = response.status();
    if status.is_success() {
        return Ok(Ok(response));
    }
    let asked = retry_after(&response);
    let reason = explain(response).await;
    if may_succeed_later(status) {
        Ok(Err(Ended::Again { reason, asked }))
    } else {
        Err(ClientError::Refused(reason))
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
            writeln!(self.output, "{processed_at}  {id}  {message}")?;
        }
        self.output.flush()
    }
}

fn again(reason: &str, parser: &Parser) -> Ended {
    Ended::Again {
        reason: reason.to_owned(),
        asked: parser.retry.map(Duration::from_millis),
    }
}

#[expect(clippy::print_stderr, reason = "standard output is for messages alone")]
fn warn_of_gap(data: &str) {
    eprintln!("posthorn: messages between were pruned and are not shown: {data}");
}
