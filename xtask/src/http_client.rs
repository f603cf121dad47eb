//! A small HTTP/1.1 client over one connection that is kept open, with a bound on every wait.
//! It never repeats a request: a check that counts failures has to see each of them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::tcp;

/// The longest wait for a connection, a write or a read.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longer than any response that the checks request.
const MAX_BODY_BYTES: u64 = 64 << 20;

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct HttpClient {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    /// Its status.
    pub(crate) status: u16,
    /// Its body as text.
    pub(crate) body: String,
}

impl HttpClient {
    /// Connects at the first request.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
        }
    }

    /// Sends a GET.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Response> {
        self.request("GET", path, "", "")
    }

    /// Sends a POST of JSON; `headers` are whole lines, each with its `\r\n`.
    pub(crate) fn post(&mut self, path: &str, headers: &str, body: &str) -> io::Result<Response> {
        self.request("POST", path, headers, body)
    }

    /// Sends a PUT of JSON.
    pub(crate) fn put(&mut self, path: &str, body: &str) -> io::Result<Response> {
        self.request("PUT", path, "", body)
    }

    /// Sends a DELETE.
    pub(crate) fn delete(&mut self, path: &str) -> io::Result<Response> {
        self.request("DELETE", path, "", "")
    }

    /// Sends a POST of JSON and closes the connection without a look at the response.
    pub(crate) fn abandon(&mut self, path: &str, body: &str) {
        let stream = match self.stream.take() {
            Some(stream) => Ok(stream),
            None => tcp::connect(self.address, TIMEOUT),
        };
        if let Ok(mut stream) = stream {
            // A failure is one more way to go away.
            let _ = send(&mut stream, "POST", path, "", body);
        }
    }

    fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => tcp::connect(self.address, TIMEOUT)?,
        };
        send(&mut stream, method, path, headers, body)?;
        let (response, keep) = read_response(&mut stream)?;
        if keep {
            self.stream = Some(stream);
        }
        Ok(response)
    }
}

fn send(
    stream: &mut BufReader<TcpStream>,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes())
}

/// Reads a response. The second value is true if the server keeps the connection.
fn read_response(stream: &mut BufReader<TcpStream>) -> io::Result<(Response, bool)> {
    let status = line(stream)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| malformed("no status"))?;
    let (mut length, mut chunked, mut keep) = (0, false, true);
    loop {
        let header = line(stream)?.to_ascii_lowercase();
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        match (name, value.trim()) {
            ("content-length", value) => length = value.parse().map_err(|_| malformed("length"))?,
            ("transfer-encoding", value) => chunked = value == "chunked",
            ("connection", value) => keep = value != "close",
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        read_chunks(stream, &mut body)?;
    } else {
        read_exactly(stream, length, &mut body)?;
    }
    let body = String::from_utf8(body).map_err(|_| malformed("no UTF-8"))?;
    Ok((Response { status, body }, keep))
}

fn read_chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let size = u64::from_str_radix(&line(stream)?, 16).map_err(|_| malformed("chunk"))?;
        read_exactly(stream, size, body)?;
        line(stream)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn read_exactly(
    stream: &mut BufReader<TcpStream>,
    length: u64,
    body: &mut Vec<u8>,
) -> io::Result<()> {
    if length > MAX_BODY_BYTES {
        return Err(malformed("too long"));
    }
    match io::copy(&mut stream.take(length), body)? {
        read if read == length => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("malformed response: {what}"),
    )
}
