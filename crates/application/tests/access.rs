//! Who may do what, with fakes for tokens, revocations and counts.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    AccessControl, AccessPolicy, AccessRequest, Action, BackendError, Clock, Credentials,
    FailureLimit, Grant, Refusal, TokenError,
};
use posthorn_domain::{MAX_TOKEN_LIFETIME, QuotaStrategy, Scope, TOKEN_LEEWAY, TokenId};
use posthorn_testkit::{
    FakeClock, FakeQuotaCounter, FakeRevocationList, FakeTokens, quota_contract, samples,
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);
const ALL: AccessPolicy = AccessPolicy::protected(true);

struct Fixture {
    clock: Arc<FakeClock>,
    revocations: Arc<FakeRevocationList>,
    access: AccessControl,
}

fn fixture(policy: AccessPolicy) -> Fixture {
    let clock = Arc::new(FakeClock::new());
    let tokens = Arc::new(FakeTokens::default());
    tokens.set(
        "reader",
        Ok(samples::claims("reader", "messages:read", &["house.*"])),
    );
    tokens.set("old", Err(TokenError::Expired));
    let revocations = Arc::new(FakeRevocationList::new(Arc::clone(&clock)));
    let rule = quota_contract::rule("2/minute", QuotaStrategy::FixedWindow);
    let counter = Arc::new(FakeQuotaCounter::new(Arc::clone(&clock), false));
    let access = AccessControl::new(
        policy,
        tokens,
        Arc::clone(&revocations) as _,
        FailureLimit::new(counter, Some(rule)),
        Arc::clone(&clock) as _,
    );
    Fixture {
        clock,
        revocations,
        access,
    }
}

impl Fixture {
    async fn decide(&self, action: Action, token: &str) -> Result<Grant, Refusal> {
        self.decide_from(HERE, action, token).await
    }

    async fn decide_from(
        &self,
        address: IpAddr,
        action: Action,
        token: &str,
    ) -> Result<Grant, Refusal> {
        let credentials = match token {
            "" => Credentials::None,
            "?" => Credentials::Malformed,
            token => Credentials::Bearer(token),
        };
        let request = AccessRequest {
            action,
            topic: None,
            credentials,
            address,
        };
        let decision = self.access.decide(request).await;
        decision.map_err(|refused| refused.refusal)
    }
}

#[tokio::test]
async fn an_open_action_needs_no_token_and_rejects_an_invalid_one() {
    let fixture = fixture(AccessPolicy::OPEN);
    for action in [Action::Read, Action::Write, Action::Delete, Action::Open] {
        assert_eq!(fixture.decide(action, "").await, Ok(Grant::ANONYMOUS));
        assert!(fixture.decide(action, "reader").await.is_ok());
    }
    let refused = fixture.decide(Action::Read, "old").await;
    assert_eq!(refused, Err(Refusal::Invalid(TokenError::Expired)));
    let missing = fixture.decide(Action::Revoke, "").await;
    assert_eq!(missing, Err(Refusal::Missing(Scope::Revoke)));
    let unchecked = fixture.decide(Action::Unchecked, "old").await;
    assert_eq!(unchecked, Ok(Grant::ANONYMOUS));
}

#[tokio::test]
async fn a_scope_is_required_where_the_policy_requires_it() {
    let fixture = fixture(ALL);
    assert!(fixture.decide(Action::Read, "reader").await.is_ok());
    for (action, scope) in [
        (Action::Write, Scope::Write),
        (Action::Delete, Scope::Delete),
        (Action::Revoke, Scope::Revoke),
    ] {
        let refused = fixture.decide(action, "reader").await;
        assert_eq!(refused, Err(Refusal::Scope(scope)));
        let missing = fixture.decide(action, "").await;
        assert_eq!(missing, Err(Refusal::Missing(scope)));
    }
    let sends_open = AccessPolicy::protected(false);
    assert_eq!(sends_open.needs(Action::Write), None);
    assert_eq!(sends_open.needs(Action::Read), Some(Scope::Read));
}

#[tokio::test]
async fn a_grant_knows_its_topics_only_where_they_count() {
    let (house, garden) = (samples::topic("house.hall"), samples::topic("garden"));
    let grant = fixture(ALL).decide(Action::Read, "reader").await.unwrap();
    assert!(grant.covers(&house) && !grant.covers(&garden) && grant.topics().is_some());
    let refusal = grant.check_topic(&garden);
    assert_eq!(refusal, Err(Refusal::Topic(Scope::Read, garden.clone())));
    let open = fixture(AccessPolicy::OPEN);
    let grant = open.decide(Action::Read, "reader").await.unwrap();
    assert!(grant.covers(&garden) && grant.topics().is_none());
}

#[tokio::test]
async fn a_revocation_lasts_for_the_longest_lifetime_of_a_token_at_least() {
    let fixture = fixture(ALL);
    let id = TokenId::parse("id-of-reader").unwrap();
    let now = fixture.clock.now();
    let longest = now.saturating_add(MAX_TOKEN_LIFETIME + TOKEN_LEEWAY);
    let soon = now.saturating_add(Duration::from_mins(5));
    fixture.access.revoke(&id, Some(soon)).await.unwrap();
    assert_eq!(
        fixture.decide(Action::Read, "reader").await,
        Err(Refusal::Revoked)
    );
    assert_eq!(fixture.revocations.end_of(&id), Some(longest));
    fixture.access.revoke(&id, None).await.unwrap();
    assert_eq!(fixture.revocations.end_of(&id), Some(longest));
    let far = now.saturating_add(MAX_TOKEN_LIFETIME * 3);
    fixture.access.revoke(&id, Some(far)).await.unwrap();
    let end = far.saturating_add(TOKEN_LEEWAY);
    assert_eq!(fixture.revocations.end_of(&id), Some(end));
}

#[tokio::test]
async fn a_client_with_too_many_rejected_tokens_is_throttled_alone() {
    let fixture = fixture(ALL);
    for token in ["?", "unknown"] {
        let refused = fixture.decide(Action::Read, token).await;
        assert!(matches!(refused, Err(Refusal::Invalid(_))), "{refused:?}");
    }
    let refused = fixture.decide(Action::Read, "unknown").await;
    assert!(
        matches!(refused, Err(Refusal::Throttled(full)) if full.retry_after() > Duration::ZERO)
    );
    assert!(fixture.decide(Action::Read, "reader").await.is_ok());
    let elsewhere = fixture
        .decide_from(ELSEWHERE, Action::Read, "unknown")
        .await;
    assert_eq!(elsewhere, Err(Refusal::Invalid(TokenError::Signature)));
    fixture.clock.advance(Duration::from_mins(1));
    let again = fixture.decide(Action::Read, "unknown").await;
    assert_eq!(again, Err(Refusal::Invalid(TokenError::Signature)));
}

#[tokio::test]
async fn an_unavailable_revocation_list_rejects_requests_and_keeps_streams() {
    let fixture = fixture(ALL);
    let grant = fixture.decide(Action::Read, "reader").await.unwrap();
    let away = BackendError::Unavailable("as the test wants".to_owned());
    fixture.revocations.fail_next(2, away.clone());
    let refused = fixture.decide(Action::Read, "reader").await;
    assert_eq!(refused, Err(Refusal::Unavailable(away)));
    assert_eq!(fixture.access.still_holds(&grant).await, Ok(()));
    assert_eq!(fixture.access.still_holds(&grant).await, Ok(()));
    fixture
        .clock
        .advance(Duration::from_hours(1) + TOKEN_LEEWAY);
    let ended = fixture.access.still_holds(&grant).await;
    assert_eq!(ended, Err(Refusal::Invalid(TokenError::Expired)));
    assert_eq!(fixture.access.still_holds(&Grant::ANONYMOUS).await, Ok(()));
}
