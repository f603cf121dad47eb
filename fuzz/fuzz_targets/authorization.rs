//! Any `Authorization` header: it is read and its token checked without a panic, and nothing that
//! no key of ours has signed is taken.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use posthorn_application::{Credentials, NewToken, TokenIssuer, TokenVerifier};
use posthorn_domain::{Scope, Scopes, Subject, TokenId};
use posthorn_jwt::{JwtTokens, peek};
use posthorn_testkit::FakeClock;
use secrecy::SecretString;

struct Fixture {
    tokens: JwtTokens,
    /// The one token that was issued.
    issued: String,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let key = SecretString::from("0123456789abcdef0123456789abcdef");
    let tokens = JwtTokens::new(&key, None, Arc::new(FakeClock::new()));
    let token = NewToken {
        id: TokenId::parse("id-1").unwrap(),
        subject: Subject::parse("alice").unwrap(),
        scopes: Scopes::from_iter([Scope::Read]),
        topics: Vec::new(),
        ttl: Duration::from_secs(60),
    };
    let issued = tokens.issue(&token).unwrap();
    Fixture { tokens, issued }
});

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&[b"Bearer ", bytes].concat());
    check(&[b"Bearer ", changed(bytes).as_slice()].concat());
});

/// The issued token with bytes of it exchanged: each pair is a place and what is added there.
fn changed(changes: &[u8]) -> Vec<u8> {
    let mut token = FIXTURE.issued.clone().into_bytes();
    for change in changes.chunks_exact(2) {
        let place = usize::from(change[0]) % token.len();
        token[place] ^= change[1];
    }
    token
}

fn check(header: &[u8]) {
    if let Credentials::Bearer(token) = posthorn_http::credentials(header) {
        let _ = peek(token);
        let taken = FIXTURE.tokens.verify(token).is_ok();
        assert_eq!(taken, token == FIXTURE.issued);
    }
}
