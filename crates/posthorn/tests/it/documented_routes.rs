//! The exchanges of `docs/API.md`: each route has one, and the real binary responds as they show.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use posthorn_http::route_table;
use reqwest::{Method, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::documented::blocks;
use crate::receiver::Receiver;
use crate::support::{PATIENCE, Server};
use crate::tokens::{KEY, issue};
use crate::webhooks::ALLOWED;

/// The address of the webhook's receiver in the document.
const RECEIVER: &str = "http://127.0.0.1:8000";
/// The members that differ from run to run.
const VARYING: [&str; 5] = [
    "version",
    "milliseconds",
    "used",
    "remaining",
    "reset_seconds",
];
const TIME: &str = "0000-00-00T00:00:00.000Z";

/// A request of the document, and what the response to it is documented to have.
struct Exchange {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    response_headers: Vec<(String, String)>,
    response: String,
}

/// The ids of the document, each with that of this run.
#[derive(Clone, Default)]
struct Bindings(BTreeMap<String, String>);

impl Exchange {
    fn parse(block: &str) -> Self {
        let (request, response) = block.split_once("\nHTTP/1.1 ").unwrap();
        let (head, body) = split_head(request);
        let mut lines = head.lines();
        let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
        let (response_head, response) = split_head(response);
        let mut response_lines = response_head.lines();
        let status = response_lines.next().unwrap();
        Self {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
            status: status.split(' ').next().unwrap().parse().unwrap(),
            response_headers: response_lines.map(header).collect(),
            response: response.to_owned(),
        }
    }

    /// Sends the request with the ids of this run, and compares the response. Returns the ids with those that the
    /// response names first.
    async fn run(&self, run: &Run<'_>, known: &Bindings) -> Result<Bindings, String> {
        let text = |documented: &str| known.insert(documented).replace(RECEIVER, run.receiver);
        let url = format!("{}{}", run.server.url, text(&self.path));
        let mut request = run.client.request(self.method.clone(), url);
        for (name, value) in &self.headers {
            request = request.header(name, text(value).replace("TOKEN", run.token));
        }
        let response = request.body(text(&self.body)).send().await.unwrap();
        let mut found = known.clone();
        let status = response.status().as_u16();
        for (name, documented) in &self.response_headers {
            let actual = response.headers().get(name);
            let actual = actual.and_then(|value| value.to_str().ok());
            found.compare_texts(name, documented, actual.unwrap_or_default())?;
        }
        let body = self.read(response).await.replace(run.receiver, RECEIVER);
        if status != self.status {
            return Err(format!("status {status}: {body}"));
        }
        found.compare_bodies(&self.response, &body)?;
        Ok(found)
    }

    /// The body; of a stream, as many frames as the document shows.
    async fn read(&self, mut response: Response) -> String {
        let frames = |text: &str| text.matches("\n\n").count();
        if !self.path.contains("/stream") {
            return response.text().await.unwrap();
        }
        let mut text = String::new();
        while frames(&text) < frames(&self.response) {
            let chunk = response.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        text
    }

    /// The template of the route.
    fn template(&self) -> &'static str {
        let path = self.path.split('?').next().unwrap();
        let routes = route_table()
            .filter(|(template, method)| *method == self.method.as_str() && is_of(template, path));
        let parameters = |template: &&str| template.matches('{').count();
        let found = routes.map(|(template, _)| template).min_by_key(parameters);
        found.unwrap_or_else(|| panic!("no route for {} {path}", self.method))
    }
}

impl Bindings {
    /// The text with the ids of this run.
    fn insert(&self, documented: &str) -> String {
        // Leases before the ids that they begin with.
        let mut ids: Vec<_> = self.0.iter().collect();
        ids.sort_by_key(|(id, _)| Reverse(id.len()));
        let ids = ids.into_iter();
        ids.fold(documented.to_owned(), |text, (id, actual)| {
            text.replace(id, actual)
        })
    }

    fn compare_bodies(&mut self, documented: &str, actual: &str) -> Result<(), String> {
        if let Some(start) = documented.strip_suffix("…\n") {
            return check(actual.starts_with(start), documented, actual);
        }
        match serde_json::from_str(documented) {
            Ok(documented) => {
                let actual = serde_json::from_str(actual).map_err(|error| error.to_string())?;
                self.compare("the body", &documented, &actual)
            }
            Err(_) => self.compare_texts("the body", documented, actual),
        }
    }

    fn compare(&mut self, name: &str, documented: &Value, actual: &Value) -> Result<(), String> {
        match (documented, actual) {
            (Value::Object(all), Value::Object(found)) => {
                let names: Vec<_> = all.keys().collect();
                check(found.keys().eq(names), documented, actual)?;
                let mut members = all.iter();
                members.try_for_each(|(name, value)| self.compare(name, value, &found[name]))
            }
            (Value::Array(all), Value::Array(found)) => {
                check(all.len() == found.len(), documented, actual)?;
                let mut values = all.iter().zip(found);
                values.try_for_each(|(value, found)| self.compare(name, value, found))
            }
            _ if VARYING.contains(&name) => Ok(()),
            (Value::String(text), Value::String(found)) => self.compare_texts(name, text, found),
            _ => check(documented == actual, documented, actual),
        }
    }

    /// Compares texts word by word: a time is any time, and an id the one that it stands for, or any id at first.
    fn compare_texts(&mut self, name: &str, documented: &str, actual: &str) -> Result<(), String> {
        if let Some(start) = documented.strip_suffix('…') {
            return check(actual.starts_with(start), documented, actual);
        }
        let is_between = |character: char| "/?&=<>;,\"\n ".contains(character);
        let (words, found) = (documented.split(is_between), actual.split(is_between));
        let fails = || format!("{name}: {actual}\nnot {documented}");
        check(
            words.clone().count() == found.clone().count(),
            documented,
            actual,
        )?;
        for (word, found) in words.zip(found) {
            let form = form(word);
            let is_same = if form == TIME {
                self::form(found) == TIME
            } else if is_id(word) {
                let known = self.0.entry(word.to_owned());
                is_id(found) && *known.or_insert_with(|| found.to_owned()) == *found
            } else {
                word == found
            };
            check(is_same, word, found).map_err(|error| format!("{error}\n{}", fails()))?;
        }
        Ok(())
    }
}

/// What the exchanges of a run have in common.
struct Run<'a> {
    server: &'a Server,
    client: reqwest::Client,
    receiver: &'a str,
    token: &'a str,
}

fn check<T: std::fmt::Debug + ?Sized, U: std::fmt::Debug + ?Sized>(
    is_same: bool,
    documented: &T,
    actual: &U,
) -> Result<(), String> {
    let different = || format!("{actual:?}, not {documented:?}");
    is_same.then_some(()).ok_or_else(different)
}

/// The text with `0` for each digit.
fn form(text: &str) -> String {
    let digit = |character: char| {
        if character.is_ascii_digit() {
            '0'
        } else {
            character
        }
    };
    text.chars().map(digit).collect()
}

/// True for what differs in each run: message ids, leases, tags of settings and ids of requests.
fn is_id(word: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_ulid = |text: &str| {
        text.len() == 26
            && text.starts_with("01")
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_lease = word.get(..26).is_some_and(is_ulid) && word.len() == 45;
    is_ulid(word) || is_lease || word.len() == 32 && is_hex(word)
}

/// The lines before the first empty one, and the text after it.
fn split_head(text: &str) -> (&str, &str) {
    text.split_once("\n\n").unwrap_or((text, ""))
}

fn header(line: &str) -> (String, String) {
    let (name, value) = line.split_once(": ").unwrap();
    (name.to_owned(), value.to_owned())
}

/// True if `path` is one of the route's.
fn is_of(template: &str, path: &str) -> bool {
    if let Some(start) = template.strip_suffix("{file:.*}") {
        return path.starts_with(start);
    }
    let (template, path) = (template.split('/'), path.split('/'));
    let is_same = |(part, found): (&str, &str)| part == found || part.starts_with('{');
    template.clone().count() == path.clone().count() && template.zip(path).all(is_same)
}

fn exchanges() -> Vec<Exchange> {
    let blocks = blocks("API.md", "http");
    blocks.iter().map(|block| Exchange::parse(block)).collect()
}

#[test]
fn every_route_has_an_exchange_in_the_document() {
    let exchanges = exchanges();
    let shown = exchanges
        .iter()
        .map(|exchange| (exchange.template(), exchange.method.as_str()));
    let shown: BTreeSet<_> = shown.collect();
    let missing: Vec<_> = route_table()
        .filter(|route| !shown.contains(route))
        .collect();
    assert_eq!(missing, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_responds_as_the_document_shows() {
    let (directory, receiver) = (TempDir::new().unwrap(), Receiver::start().await);
    let environment = [
        ALLOWED,
        ("SECRET_KEY", KEY),
        ("HOSTNAME", "host"),
        ("RATE_LIMIT_ENABLED", "true"),
    ];
    let server = Server::start(&directory, &environment).await;
    let token = issue(
        &directory,
        KEY,
        &["--sub", "admin", "--scope", "tokens:revoke"],
    )
    .await;
    let run = Run {
        server: &server,
        client: reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap(),
        receiver: &receiver.url,
        token: &token,
    };
    let mut ids = Bindings::default();
    for exchange in exchanges() {
        let end = Instant::now() + PATIENCE;
        ids = loop {
            match exchange.run(&run, &ids).await {
                Ok(found) => break found,
                // What an attempt of a webhook leaves is there a moment later.
                Err(_) if exchange.method == Method::GET && Instant::now() < end => {
                    sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{} {}\n{error}", exchange.method, exchange.path),
            }
        };
    }
}
