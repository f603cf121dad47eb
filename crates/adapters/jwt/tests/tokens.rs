//! Tokens as attackers and mistakes make them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use posthorn_application::{Clock, IssueError, NewToken, TokenError, TokenIssuer, TokenVerifier};
use posthorn_domain::{
    MAX_TOKEN_BYTES, MAX_TOKEN_LIFETIME, Scope, Scopes, Subject, TOKEN_LEEWAY, TokenId,
    TopicPattern,
};
use posthorn_jwt::{JwtTokens, peek};
use posthorn_testkit::FakeClock;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210";
const HOUR: Duration = Duration::from_hours(1);

fn tokens(clock: &Arc<FakeClock>, key: &str, previous: Option<&str>) -> JwtTokens {
    let previous = previous.map(SecretString::from);
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    JwtTokens::new(&SecretString::from(key), previous.as_ref(), clock)
}

fn new_token(ttl: Duration) -> NewToken {
    NewToken {
        id: TokenId::parse("id-1").unwrap(),
        subject: Subject::parse("alice").unwrap(),
        scopes: Scopes::from_iter([Scope::Read, Scope::Write]),
        topics: vec![TopicPattern::parse("house.*").unwrap()],
        ttl,
    }
}

fn seconds(clock: &FakeClock) -> u64 {
    clock.now().as_millis() / 1000
}

/// Claims that are taken.
fn claims(clock: &FakeClock) -> Value {
    json!({"sub": "alice", "scope": "messages:read", "topics": ["*"], "jti": "id-1",
        "exp": seconds(clock) + 60})
}

/// Signs what an issuer of ours would never write.
fn signed(claims: &Value, key: &str) -> String {
    // Makes the algorithm known to the library.
    let _ = tokens(&Arc::new(FakeClock::new()), key, None);
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

#[track_caller]
fn check(token: &str, clock: &Arc<FakeClock>, expected: Result<(), TokenError>) {
    let found = tokens(clock, KEY, None).verify(token).map(drop);
    assert_eq!(found, expected, "{token}");
}

#[test]
fn an_issued_token_says_what_was_asked_for() {
    let clock = Arc::new(FakeClock::new());
    let tokens = tokens(&clock, KEY, None);
    let token = tokens.issue(&new_token(HOUR)).unwrap();
    let claims = tokens.verify(&token).unwrap();
    assert_eq!(claims.id.as_str(), "id-1");
    assert_eq!(claims.subject.as_str(), "alice");
    assert_eq!(claims.scopes.to_string(), "messages:write messages:read");
    assert_eq!(claims.topics, new_token(HOUR).topics);
    assert_eq!(claims.expires_at.as_millis() / 1000, seconds(&clock) + 3600);
    assert_eq!(peek(&token), Ok(claims));
}

#[test]
fn a_token_lives_as_long_as_its_leeway_and_no_longer() {
    let clock = Arc::new(FakeClock::new());
    let token = tokens(&clock, KEY, None).issue(&new_token(HOUR)).unwrap();
    clock.advance(HOUR + TOKEN_LEEWAY.saturating_sub(Duration::from_secs(1)));
    check(&token, &clock, Ok(()));
    clock.advance(Duration::from_secs(1));
    check(&token, &clock, Err(TokenError::Expired));
}

#[test]
fn lifetimes_are_bounded_where_tokens_are_made_and_where_they_are_taken() {
    let clock = Arc::new(FakeClock::new());
    let tokens = tokens(&clock, KEY, None);
    let issue = |ttl| tokens.issue(&new_token(ttl));
    assert!(issue(MAX_TOKEN_LIFETIME).is_ok());
    assert!(issue(Duration::from_millis(1)).is_ok());
    let too_long = MAX_TOKEN_LIFETIME + Duration::from_secs(1);
    assert_eq!(issue(too_long), Err(IssueError::Lifetime));
    assert_eq!(issue(Duration::ZERO), Err(IssueError::Lifetime));
    let mut claims = claims(&clock);
    claims["exp"] = json!(seconds(&clock) + MAX_TOKEN_LIFETIME.as_secs() + 60);
    check(&signed(&claims, KEY), &clock, Err(TokenError::TooLongLived));
}

#[test]
fn a_token_of_the_key_before_is_taken_and_of_any_other_is_not() {
    let clock = Arc::new(FakeClock::new());
    let old = tokens(&clock, KEY, None).issue(&new_token(HOUR)).unwrap();
    let rotated = tokens(&clock, OTHER_KEY, Some(KEY));
    let new = rotated.issue(&new_token(HOUR)).unwrap();
    assert!(rotated.verify(&old).is_ok());
    assert!(rotated.verify(&new).is_ok());
    check(&new, &clock, Err(TokenError::Signature));
    let later = tokens(&clock, OTHER_KEY, None);
    assert_eq!(later.verify(&old), Err(TokenError::Signature));
}

#[test]
fn a_changed_token_is_refused_wherever_it_was_changed() {
    let clock = Arc::new(FakeClock::new());
    let token = tokens(&clock, KEY, None).issue(&new_token(HOUR)).unwrap();
    for place in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(
            tokens(&clock, KEY, None).verify(&changed).is_err(),
            "{place}"
        );
    }
}

#[test]
fn another_algorithm_is_refused_whatever_the_signature() {
    let clock = Arc::new(FakeClock::new());
    let body = signed(&claims(&clock), KEY);
    let (_, body) = body.split_once('.').unwrap();
    let (payload, signature) = body.split_once('.').unwrap();
    // {"alg":"none"}, {"typ":"JWT","alg":"none"}, {"alg":"None"}, {"typ":"JWT"}
    for header in [
        "eyJhbGciOiJub25lIn0",
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0",
        "eyJhbGciOiJOb25lIn0",
        "eyJ0eXAiOiJKV1QifQ",
        // {"alg":"HS512"}, {"alg":"RS256"}
        "eyJhbGciOiJIUzUxMiJ9",
        "eyJhbGciOiJSUzI1NiJ9",
    ] {
        for signature in ["", signature] {
            let token = format!("{header}.{payload}.{signature}");
            check(&token, &clock, Err(TokenError::Algorithm));
        }
    }
}

#[test]
fn an_extension_that_must_be_understood_is_not() {
    let clock = Arc::new(FakeClock::new());
    let _ = tokens(&clock, KEY, None);
    let mut header = Header::new(Algorithm::HS256);
    header.crit = Some(vec!["b64".to_owned()]);
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let token = jsonwebtoken::encode(&header, &claims(&clock), &key).unwrap();
    check(&token, &clock, Err(TokenError::Malformed));
}

#[test]
fn each_claim_keeps_its_rule() {
    let clock = Arc::new(FakeClock::new());
    let now = seconds(&clock);
    check(&signed(&claims(&clock), KEY), &clock, Ok(()));
    for (claim, value, expected) in [
        ("exp", Value::Null, Err(TokenError::Claim("exp"))),
        ("exp", json!(-1), Err(TokenError::Claim("exp"))),
        ("exp", json!(1e300), Err(TokenError::Claim("exp"))),
        ("exp", json!("soon"), Err(TokenError::Malformed)),
        ("exp", json!(u64::MAX), Err(TokenError::TooLongLived)),
        ("exp", json!(0), Err(TokenError::Expired)),
        (
            "exp",
            json!(60.5 + f64::from(u32::try_from(now).unwrap())),
            Ok(()),
        ),
        ("sub", Value::Null, Err(TokenError::Claim("sub"))),
        ("sub", json!("a\nb"), Err(TokenError::Claim("sub"))),
        ("sub", json!("a".repeat(129)), Err(TokenError::Claim("sub"))),
        ("jti", Value::Null, Err(TokenError::Claim("jti"))),
        ("jti", json!("../x"), Err(TokenError::Claim("jti"))),
        ("topics", json!(["A"]), Err(TokenError::Claim("topics"))),
        (
            "topics",
            json!(vec!["a"; 65]),
            Err(TokenError::Claim("topics")),
        ),
        ("topics", json!("*"), Err(TokenError::Malformed)),
        ("nbf", json!(now + 29), Ok(())),
        ("nbf", json!(now + 90), Err(TokenError::NotYet)),
        ("nbf", json!(-1), Err(TokenError::Claim("nbf"))),
        ("aud", json!("posthorn"), Ok(())),
        ("aud", json!(["other", "posthorn"]), Ok(())),
        ("aud", json!("other"), Err(TokenError::Audience)),
        ("aud", json!(["other"]), Err(TokenError::Audience)),
        ("aud", json!([]), Err(TokenError::Audience)),
        ("iss", json!("anybody"), Ok(())),
    ] {
        let mut claims = claims(&clock);
        claims[claim] = value;
        check(&signed(&claims, KEY), &clock, expected);
    }
}

#[test]
fn a_token_without_scope_or_topics_permits_nothing() {
    let clock = Arc::new(FakeClock::new());
    let mut claims = claims(&clock);
    let map = claims.as_object_mut().unwrap();
    map.remove("scope");
    map.remove("topics");
    let found = tokens(&clock, KEY, None)
        .verify(&signed(&claims, KEY))
        .unwrap();
    assert_eq!(found.scopes, Scopes::default());
    assert!(found.topics.is_empty());
}

#[test]
fn an_over_long_token_is_refused_unread() {
    let clock = Arc::new(FakeClock::new());
    let mut claims = claims(&clock);
    claims["padding"] = json!("a".repeat(2800));
    let token = signed(&claims, KEY);
    assert!(token.len() <= MAX_TOKEN_BYTES, "{}", token.len());
    check(&token, &clock, Ok(()));
    claims["padding"] = json!("a".repeat(3000));
    check(&signed(&claims, KEY), &clock, Err(TokenError::TooLong));
    let topic = TopicPattern::parse(&"a".repeat(64)).unwrap();
    let mut token = new_token(HOUR);
    token.topics = vec![topic; 64];
    let refused = tokens(&clock, KEY, None).issue(&token);
    assert_eq!(refused, Err(IssueError::Length));
}

proptest! {
    #[test]
    fn no_text_is_taken_or_panics(text in "\\PC{0,200}", parts in "[A-Za-z0-9_.-]{0,200}") {
        let clock = Arc::new(FakeClock::new());
        let tokens = tokens(&clock, KEY, None);
        prop_assert!(tokens.verify(&text).is_err());
        prop_assert!(tokens.verify(&parts).is_err());
        let with_head = ["eyJhbGciOiJIUzI1NiJ9.", &parts].concat();
        prop_assert!(tokens.verify(&with_head).is_err());
        let _ = peek(&parts);
    }
}
