//! What actix-web costs by itself: `POST /api/v1/message` parses the body and answers with a receipt's
//! members, and does nothing else. `cargo xtask bench` measures the server beside it.
#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use std::net::Ipv4Addr;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};

const PATH: &str = "/api/v1/message";

#[derive(Deserialize)]
struct Body {
    message: String,
}

#[derive(Serialize)]
struct Receipt<'a> {
    success: bool,
    message: String,
    processed_at: &'a str,
    pod: &'a str,
    id: &'a str,
    topic: &'a str,
    durability: &'a str,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = number("PORT").unwrap_or(5001);
    let server = HttpServer::new(|| {
        App::new()
            .route(PATH, web::post().to(accept))
            .route("/health/ready", web::get().to(HttpResponse::Ok))
    });
    let server = match number("WORKERS") {
        Some(workers) => server.workers(workers.into()),
        None => server,
    };
    println!("http://127.0.0.1:{port}{PATH}");
    server.bind((Ipv4Addr::LOCALHOST, port))?.run().await
}

/// A number in the environment.
fn number(name: &str) -> Option<u16> {
    std::env::var(name).ok()?.parse().ok()
}

async fn accept(body: web::Json<Body>) -> HttpResponse {
    HttpResponse::Created().json(Receipt {
        success: true,
        message: ["Message received: ", &body.message].concat(),
        processed_at: "2026-01-01T00:00:00.000Z",
        pod: "bare",
        id: "01KDVDDT000000000000000000",
        topic: "inbox",
        durability: "memory",
    })
}
