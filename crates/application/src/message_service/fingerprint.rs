//! The fingerprint, which distinguishes a retry from another request with the same key.

use std::iter;

use posthorn_domain::{Fingerprint, MessageBatch, MessageParts, NewMessage};
use sha2::{Digest, Sha256};

use crate::digest_parts::digest_parts;

/// The attributes with the place of an event in a trace (CloudEvents, Distributed Tracing extension): each
/// attempt of a sender can have its own.
const TRACE_ATTRIBUTES: [&str; 2] = ["ce.traceparent", "ce.tracestate"];

/// The digest of the text and the attributes. The topic is not part of it, because a key is scoped to its topic; nor is
/// the `traceparent`, as each attempt of a client can have its own. The formatting of the JSON does not matter. The
/// attributes in [`TRACE_ATTRIBUTES`] are not part of it either.
pub(super) fn of(message: &NewMessage) -> Fingerprint {
    of_parts(message.parts())
}

/// SHA-256 of a mark and of the digest of each message. The mark makes it differ from that of a single
/// message, whose input begins with a length of eight bytes.
pub(super) fn of_batch(batch: &MessageBatch) -> Fingerprint {
    let mut digests = Sha256::new();
    digests.update(b"batch");
    for message in batch.messages() {
        digests.update(of_parts(message.parts()).as_bytes());
    }
    Fingerprint::from_bytes(digests.finalize().into())
}

fn of_parts(message: MessageParts<'_>) -> Fingerprint {
    let attributes = message.attributes.iter();
    let attributes = attributes.filter(|(key, _)| !TRACE_ATTRIBUTES.contains(key));
    let attributes = attributes.flat_map(|(key, value)| [key, value]);
    digest_parts(iter::once(message.content.as_str()).chain(attributes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use posthorn_domain::{Attributes, BatchMessage, MessageContent, Topic, TraceParent};

    fn message(text: &str, attributes: &[(&str, &str)]) -> NewMessage {
        NewMessage {
            topic: Topic::inbox(),
            content: MessageContent::from_store(text),
            attributes: Attributes::parse(attributes.iter().copied()).unwrap(),
            traceparent: None,
        }
    }

    fn fingerprint(text: &str, attributes: &[(&str, &str)]) -> Fingerprint {
        of(&message(text, attributes))
    }

    #[test]
    fn equal_requests_have_equal_fingerprints_and_others_do_not() {
        let reference = fingerprint("text", &[("a", "1"), ("b", "2")]);
        assert_eq!(reference, fingerprint("text", &[("b", "2"), ("a", "1")]));
        assert_ne!(reference, fingerprint("text", &[("a", "1")]));
        assert_ne!(reference, fingerprint("text", &[("a", "1b"), ("2", "")]));
        assert_ne!(fingerprint("ab", &[]), fingerprint("a", &[("b", "")]));
        assert_ne!(fingerprint("a", &[]), fingerprint("b", &[]));
    }

    /// Stores keep fingerprints: a retry after an update has the same.
    #[test]
    fn fingerprints_do_not_change() {
        assert_eq!(
            fingerprint("text", &[("a", "1"), ("b", "2")]).to_hex(),
            "d85b2703e135f1a6e5266510ef029581d6f2930d1e6a037e7a21441e74545640"
        );
        let message = |text: &str, attributes: &[(&str, &str)]| BatchMessage {
            content: MessageContent::from_store(text),
            attributes: Attributes::parse(attributes.iter().copied()).unwrap(),
            traceparent: None,
        };
        let batch = vec![message("a", &[]), message("b", &[("k", "v")])];
        assert_eq!(
            of_batch(&MessageBatch::parse(batch).unwrap()).to_hex(),
            "8262d179160d0f67b4a4eae65e7e0aad8833acbb0f98544026ea6150531f57ec"
        );
    }

    #[test]
    fn the_trace_of_an_attempt_does_not_matter() {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let traced = NewMessage {
            traceparent: Some(TraceParent::parse(traceparent).unwrap()),
            ..message("text", &[])
        };
        assert_eq!(of(&traced), fingerprint("text", &[]));
        let attributes = [("ce.traceparent", traceparent), ("ce.tracestate", "a=1")];
        assert_eq!(fingerprint("text", &attributes), fingerprint("text", &[]));
        let other = [("traceparent", traceparent)];
        assert_ne!(fingerprint("text", &other), fingerprint("text", &[]));
    }
}
