//! How a message is sent to a product by HTTP and read from it: the cheapest way that keeps messages apart.

use super::nginx;
use super::products::Product;
use crate::bench::cases::MESSAGE_PATH;
use crate::bench::wrk::post_script;

/// A request that sends a message.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    /// A whole line, or nothing.
    pub(super) header: &'static str,
    pub(super) body: String,
}

/// How `text` is sent; NATS and Redis have protocols of their own.
pub(super) fn sending(product: Product, text: &str) -> Sending {
    let (path, content_type, header, body) = match product {
        Product::NchanMemory | Product::NchanRedis => {
            (nginx::PUBLISH, "text/plain", "", text.to_owned())
        }
        Product::S2 => (
            "/v1/streams/bench/records",
            "application/json",
            "s2-basin: bench-basin\r\n",
            format!(r#"{{"records":[{{"body":"{text}"}}]}}"#),
        ),
        Product::DurableStreams => ("/bench", "application/json", "", message(text)),
        _ => (MESSAGE_PATH, "application/json", "", message(text)),
    };
    Sending {
        path,
        content_type,
        header,
        body,
    }
}

impl Sending {
    /// The script by which wrk sends it.
    pub(super) fn script(&self) -> String {
        let mut script = post_script(self.content_type, &self.body);
        if let Some((name, value)) = self.header.trim_end().split_once(": ") {
            script += &format!("wrk.headers['{name}'] = '{value}'\n");
        }
        script
    }
}

fn message(text: &str) -> String {
    format!(r#"{{"message":"{text}"}}"#)
}

/// The path of the Server-Sent Events of the same messages, from now on.
pub(super) fn stream_path(product: Product) -> &'static str {
    match product {
        Product::NchanMemory | Product::NchanRedis => nginx::SUBSCRIBE,
        Product::DurableStreams => "/bench?offset=now&live=sse",
        _ => "/api/v1/topics/inbox/stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_the_whole_text() {
        for product in [
            Product::Memory,
            Product::NchanMemory,
            Product::DurableStreams,
            Product::S2,
        ] {
            let script = sending(product, "some text").script();
            assert!(script.contains("some text"), "{script}");
            assert_eq!(
                script.contains("wrk.headers['s2-basin'] = 'bench-basin'"),
                product == Product::S2
            );
        }
    }
}
