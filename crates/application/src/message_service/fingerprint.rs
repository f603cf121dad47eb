//! The fingerprint, which distinguishes a retry from another request with the same key.

use posthorn_domain::{Attributes, Fingerprint, MessageBatch, MessageContent, NewMessage};
use sha2::{Digest, Sha256};

/// SHA-256 (FIPS 180-4) of the text and the attributes, each part preceded by its length, so that
/// different messages never have the same input. The topic is not part of it, because a key is scoped
/// to its topic; the formatting of the JSON does not matter.
pub(super) fn of(message: &NewMessage) -> Fingerprint {
    Fingerprint::from_bytes(digest(&message.content, &message.attributes))
}

/// SHA-256 of a mark and of the digest of each message. The mark makes it differ from that of a single
/// message, whose input begins with a length of eight bytes.
pub(super) fn of_batch(batch: &MessageBatch) -> Fingerprint {
    let mut digests = Sha256::new();
    digests.update(b"batch");
    for message in batch.messages() {
        digests.update(digest(&message.content, &message.attributes));
    }
    Fingerprint::from_bytes(digests.finalize().into())
}

fn digest(content: &MessageContent, attributes: &Attributes) -> [u8; Fingerprint::LENGTH] {
    let mut digest = Sha256::new();
    let mut part = |text: &str| {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        digest.update(length.to_be_bytes());
        digest.update(text.as_bytes());
    };
    part(content.as_str());
    for (key, value) in attributes.iter() {
        part(key);
        part(value);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use posthorn_domain::{Attributes, MessageContent, Topic};

    fn fingerprint(text: &str, attributes: &[(&str, &str)]) -> Fingerprint {
        of(&NewMessage {
            topic: Topic::inbox(),
            content: MessageContent::from_store(text),
            attributes: Attributes::parse(attributes.iter().copied()).unwrap(),
        })
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
}
