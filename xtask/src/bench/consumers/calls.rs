//! The calls of a worker, each of which must succeed.

use serde_json::Value;

use super::topic::WorkTopic;
use crate::http_client::HttpClient;

/// Creates the consumer.
pub(super) fn create(topic: &WorkTopic, consumer: &str, start: &str) -> Result<(), String> {
    let body = format!(r#"{{"start":"{start}","max_in_flight":10000,"lease_seconds":600}}"#);
    let mut client = HttpClient::new(topic.address);
    let path = topic.consumer(consumer);
    let response = client
        .put(&path, &body)
        .map_err(|error| error.to_string())?;
    match response.status {
        201 => Ok(()),
        status => Err(format!("PUT {path}: {status}: {}", response.body)),
    }
}

/// Sends a POST and returns the body.
pub(super) fn post(client: &mut HttpClient, path: &str, body: &str) -> Result<String, String> {
    let failed = |error| format!("POST {path}: {error}");
    let response = client.post(path, "", body).map_err(failed)?;
    match response.status {
        200 | 201 => Ok(response.body),
        status => Err(format!("POST {path}: {status}: {}", response.body)),
    }
}

/// Sends a GET and returns a number of the body.
pub(super) fn number(client: &mut HttpClient, path: &str, field: &str) -> Result<u64, String> {
    let response = client.get(path).map_err(|error| error.to_string())?;
    let body: Value = serde_json::from_str(&response.body).map_err(|error| error.to_string())?;
    let number = body.get(field).and_then(Value::as_u64);
    number.ok_or_else(|| format!("{path}: no {field}"))
}

/// The body of an acknowledgement of all leases in the body of a pull, and their number.
pub(super) fn ack_body(pulled: &str) -> (String, u64) {
    let mut body = String::from(r#"{"leases":["#);
    let mut count = 0;
    for (index, rest) in pulled.split(r#""lease":""#).skip(1).enumerate() {
        let token = rest.split('"').next().unwrap_or_default();
        if index > 0 {
            body.push(',');
        }
        body.push('"');
        body.push_str(token);
        body.push('"');
        count += 1;
    }
    body.push_str("]}");
    (body, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lease_is_acknowledged() {
        let pulled = r#"{"messages":[{"lease":"a","attempt":1},{"lease":"b","attempt":1}]}"#;
        assert_eq!(ack_body(pulled), (r#"{"leases":["a","b"]}"#.to_owned(), 2));
        assert_eq!(ack_body(r#"{"messages":[]}"#).1, 0);
    }
}
