//! The scope of idempotency keys: a sender that a token names has keys of its own.

use posthorn_domain::{IdempotencyKey, Subject};

use crate::digest_parts::digest_parts;

/// The key as the store keeps it: the client's own, or one that no other sender's key can equal.
pub(super) fn of(key: IdempotencyKey, sender: Option<&Subject>) -> IdempotencyKey {
    let Some(sender) = sender else {
        return key;
    };
    IdempotencyKey::of_sender(&digest_parts([sender.as_str(), key.as_str()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_share_no_keys() {
        let key = |text| IdempotencyKey::parse(text).unwrap();
        let scope = |sender: Option<&str>, text| {
            let sender = sender.map(|sender| Subject::parse(sender).unwrap());
            of(key(text), sender.as_ref())
        };
        assert_eq!(scope(None, "k"), key("k"));
        assert_eq!(scope(Some("a"), "k"), scope(Some("a"), "k"));
        assert_ne!(scope(Some("a"), "k"), scope(Some("b"), "k"));
        assert_ne!(scope(Some("a"), "bk"), scope(Some("ab"), "k"));
        let scoped = scope(Some("a"), "k");
        assert_eq!(
            scoped.as_str(),
            " 83d12f28d81736013f54d534a68a1fc6657e9ba11fa61c7a2da0940ce02680ed",
            "stores keep it"
        );
        assert!(
            IdempotencyKey::parse(scoped.as_str()).is_err(),
            "no client can send it"
        );
    }
}
