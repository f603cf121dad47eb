//! The cost of actix-web alone, and with SQLite: `POST /api/v1/message` parses the body and responds
//! with the members of a receipt. With `DATABASE` it first sends the text to one thread that commits and
//! syncs all waiting rows as one group. `cargo xtask bench` measures the server beside both, as bounds
//! for a server that does the same and more.
#![expect(clippy::print_stdout, reason = "it prints its address")]

use std::error::Error;
use std::net::Ipv4Addr;

use actix_web::error::ErrorServiceUnavailable;
use actix_web::{App, HttpResponse, HttpServer, web};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

const PATH: &str = "/api/v1/message";
/// The most rows of one transaction.
const GROUP: usize = 1024;

/// A text to store, and the sender of its number.
type Row = (String, oneshot::Sender<i64>);

#[derive(Deserialize)]
struct BareMessage {
    message: String,
}

#[derive(Serialize)]
struct BareReceipt<'a> {
    success: bool,
    message: String,
    processed_at: &'a str,
    pod: &'a str,
    id: String,
    topic: &'a str,
    durability: &'a str,
}

fn main() -> Result<(), Box<dyn Error>> {
    actix_web::rt::System::new().block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let port = number("PORT").unwrap_or(5001);
    let rows = std::env::var("DATABASE").ok().map(start).transpose()?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(rows.clone()))
            .route(PATH, web::post().to(accept))
            .route("/health/ready", web::get().to(HttpResponse::Ok))
    });
    let server = match number("WORKERS") {
        Some(workers) => server.workers(workers.into()),
        None => server,
    };
    println!("http://127.0.0.1:{port}{PATH}");
    Ok(server.bind((Ipv4Addr::LOCALHOST, port))?.run().await?)
}

/// A number in the environment.
fn number(name: &str) -> Option<u16> {
    std::env::var(name).ok()?.parse().ok()
}

async fn accept(
    rows: web::Data<Option<mpsc::Sender<Row>>>,
    body: web::Json<BareMessage>,
) -> actix_web::Result<HttpResponse> {
    let message = ["Message received: ", &body.message].concat();
    let mut number = 0;
    if let Some(rows) = rows.as_ref() {
        let (done, committed) = oneshot::channel();
        let row = (body.into_inner().message, done);
        rows.send(row).await.map_err(ErrorServiceUnavailable)?;
        number = committed.await.map_err(ErrorServiceUnavailable)?;
    }
    Ok(HttpResponse::Created().json(BareReceipt {
        success: true,
        message,
        processed_at: "2026-01-01T00:00:00.000Z",
        pod: "bare",
        id: format!("{number:026}"),
        topic: "inbox",
        durability: "bare",
    }))
}

/// Starts the thread that writes into a new file with the columns of a message.
fn start(path: String) -> rusqlite::Result<mpsc::Sender<Row>> {
    let mut connection = Connection::open(path)?;
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
        connection.pragma_update(None, pragma, value)?;
    }
    let table = "CREATE TABLE messages (topic_id INTEGER NOT NULL, ms INTEGER NOT NULL, \
                 seq INTEGER NOT NULL, content TEXT NOT NULL, attributes TEXT, \
                 PRIMARY KEY (topic_id, ms, seq)) STRICT, WITHOUT ROWID";
    connection.execute(table, [])?;
    let (rows, mut waiting) = mpsc::channel(GROUP);
    std::thread::spawn(move || {
        let mut seq = 0;
        // The channel closes if a write fails: every request fails then.
        while write(&mut connection, &mut seq, &mut waiting).is_ok_and(|is_open| is_open) {}
    });
    Ok(rows)
}

/// Commits all waiting rows. False if the channel is closed.
fn write(
    connection: &mut Connection,
    seq: &mut i64,
    waiting: &mut mpsc::Receiver<Row>,
) -> rusqlite::Result<bool> {
    let mut group = Vec::with_capacity(GROUP);
    if waiting.blocking_recv_many(&mut group, GROUP) == 0 {
        return Ok(false);
    }
    let transaction = connection.transaction()?;
    let first = *seq + 1;
    for (text, _) in &group {
        *seq += 1;
        let insert = "INSERT INTO messages VALUES (1, ?1, ?1, ?2, NULL)";
        transaction.prepare_cached(insert)?.execute((*seq, text))?;
    }
    transaction.commit()?;
    for (number, (_, done)) in (first..).zip(group) {
        // The request may have ended.
        let _ = done.send(number);
    }
    Ok(true)
}
