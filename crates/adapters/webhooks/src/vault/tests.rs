//! Tests of the vault.

use posthorn_domain::{
    ConsumerKind, ConsumerName, PreviousSecret, Timestamp, Topic, WebhookHeaders, WebhookSecret,
};

use super::*;

const KEY: &str = "the first key, which is long enough for anything";
const NEXT_KEY: &str = "the second key, which is long enough for anything";

fn vault(current: &str, previous: Option<&str>) -> AeadVault {
    let previous = previous.map(SecretString::from);
    AeadVault::new(&SecretString::from(current), previous.as_ref(), true).unwrap()
}

fn webhook(name: &str) -> ConsumerKey {
    ConsumerKey {
        topic: Topic::parse("orders").unwrap(),
        kind: ConsumerKind::Webhook,
        name: ConsumerName::parse(name).unwrap(),
    }
}

fn previous(byte: u8) -> PreviousSecret {
    PreviousSecret {
        secret: WebhookSecret::from_bytes(&[byte; 24]).unwrap(),
        until: Timestamp::from_millis(1_795_392_000_000),
    }
}

fn private() -> WebhookPrivate {
    WebhookPrivate {
        secret: WebhookSecret::from_bytes(&[7; 32]).unwrap(),
        previous: [8, 6].map(previous).to_vec(),
        headers: WebhookHeaders::parse([("authorization", "Bearer hidden-value")]).unwrap(),
        salt: [9; 16],
    }
}

#[test]
fn a_record_opens_to_what_was_sealed() {
    let vault = vault(KEY, None);
    let bare = WebhookPrivate {
        previous: Vec::new(),
        headers: WebhookHeaders::default(),
        ..private()
    };
    for private in [private(), bare] {
        let sealed = vault.seal(&webhook("a"), &private).unwrap();
        let opened = vault.open(&webhook("a"), &sealed);
        let is_stale = false;
        assert_eq!(opened, Ok(OpenedPrivate { private, is_stale }));
    }
}

#[test]
fn a_record_holds_nothing_in_the_clear_and_never_repeats() {
    let vault = vault(KEY, None);
    let sealed = vault.seal(&webhook("a"), &private()).unwrap();
    let text = String::from_utf8_lossy(&sealed);
    let secret = private().secret.expose();
    let secret = secret.strip_prefix("whsec_").unwrap();
    for hidden in ["hidden-value", "authorization", "secret", secret] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert_ne!(sealed, vault.seal(&webhook("a"), &private()).unwrap());
}

#[test]
fn a_record_is_bound_to_its_webhook_and_to_its_key() {
    let sealed = vault(KEY, None).seal(&webhook("a"), &private()).unwrap();
    let refused = Err(VaultError::Sealed);
    assert_eq!(vault(KEY, None).open(&webhook("b"), &sealed), refused);
    assert_eq!(vault(NEXT_KEY, None).open(&webhook("a"), &sealed), refused);
    let mut other_topic = webhook("a");
    other_topic.topic = Topic::parse("orders2").unwrap();
    assert_eq!(vault(KEY, None).open(&other_topic, &sealed), refused);
}

#[test]
fn a_changed_or_cut_record_does_not_open() {
    let vault = vault(KEY, None);
    let sealed = vault.seal(&webhook("a"), &private()).unwrap();
    for position in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        let opened = vault.open(&webhook("a"), &changed);
        assert_eq!(opened, Err(VaultError::Sealed), "{position}");
    }
    for length in 0..sealed.len() {
        let opened = vault.open(&webhook("a"), &sealed[..length]);
        assert_eq!(opened, Err(VaultError::Sealed), "{length}");
    }
}

#[test]
fn after_a_rotation_the_previous_key_still_opens_and_the_record_is_stale() {
    let sealed = vault(KEY, None).seal(&webhook("a"), &private()).unwrap();
    let rotated = vault(NEXT_KEY, Some(KEY));
    let opened = rotated.open(&webhook("a"), &sealed).unwrap();
    assert!(opened.is_stale);
    assert_eq!(opened.private, private());
    // Sealed again, it needs the new key only.
    let again = rotated.seal(&webhook("a"), &opened.private).unwrap();
    let opened = vault(NEXT_KEY, None).open(&webhook("a"), &again).unwrap();
    assert!(!opened.is_stale);
}
