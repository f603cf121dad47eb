//! The part of the Redis protocol (RESP 2) that single commands need.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The time limit of one command.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends one command to the server on `port` and returns its reply: the leaves, one per line, as `redis-cli` prints them without a terminal.
pub(super) async fn command(port: u16, words: &[&str]) -> io::Result<String> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no reply in time");
    tokio::time::timeout(TIMEOUT, exchange(port, words))
        .await
        .map_err(late)?
}

async fn exchange(port: u16, words: &[&str]) -> io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?);
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &["$", &word.len().to_string(), "\r\n", word, "\r\n"].concat();
    }
    stream.write_all(request.as_bytes()).await?;
    read_reply(&mut stream).await
}

async fn read_reply(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut leaves = Vec::new();
    // An array adds its members to the number of values to read, so no recursion is needed.
    let mut missing = 1_i64;
    while missing > 0 {
        missing -= 1;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        let mut characters = line.chars();
        let kind = characters.next();
        let rest = characters.as_str();
        match kind {
            Some('+' | ':') => leaves.push(rest.to_owned()),
            Some('-') => return Err(io::Error::other(rest.to_owned())),
            Some('*') => missing += number(rest)?.max(0),
            Some('$') => leaves.push(read_bulk(stream, number(rest)?).await?),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    Ok(leaves.join("\n"))
}

async fn read_bulk(stream: &mut BufReader<TcpStream>, length: i64) -> io::Result<String> {
    // A length of -1 is the null reply.
    let Ok(length) = usize::try_from(length) else {
        return Ok(String::new());
    };
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).await?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(io::Error::other)
}
