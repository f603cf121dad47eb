//! The rate limiter, the fallback of quotas and the shares of processes, over fakes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use posthorn_application::{
    BackendError, Breaker, BreakerSettings, BreakerState, Caller, DependencyObserver, Fallback,
    QuotaClass, QuotaCounter, QuotaScope, RateLimiter, RateLimiterSettings, ReplicaShare,
};
use posthorn_domain::{Client, QuotaStrategy};
use posthorn_testkit::quota_contract::{key, rule};
use posthorn_testkit::{FakeClock, FakeQuotaCounter};

struct Unobserved;

impl DependencyObserver for Unobserved {
    fn dependency_changed(&self, _: &'static str, _: bool) {}
}

struct Setup {
    primary: Arc<FakeQuotaCounter>,
    breaker: Arc<Breaker>,
    counter: Arc<Fallback<dyn QuotaCounter>>,
}

/// A shared counter, and as its secondary one of three replicas.
fn setup() -> Setup {
    let clock = Arc::new(FakeClock::new());
    let primary = Arc::new(FakeQuotaCounter::new(Arc::clone(&clock), true));
    let alone = Arc::new(FakeQuotaCounter::new(clock, false));
    let share = ReplicaShare::new(alone, NonZeroU32::new(3).unwrap());
    let observer = Arc::new(Unobserved);
    let breaker = Arc::new(Breaker::new("redis", BreakerSettings::default(), observer));
    let counter = Fallback::new(
        Arc::clone(&primary) as Arc<dyn QuotaCounter>,
        Arc::new(share) as _,
        Arc::clone(&breaker),
    );
    Setup {
        primary,
        breaker,
        counter: Arc::new(counter),
    }
}

fn unavailable() -> BackendError {
    BackendError::Unavailable("as the test wants".to_owned())
}

fn rate_limiter(counter: Arc<dyn QuotaCounter>) -> RateLimiter {
    let rule = |text| rule(text, QuotaStrategy::FixedWindow);
    let settings = RateLimiterSettings {
        message: rule("10 per minute"),
        read: rule("3 per minute"),
        consume: rule("6000 per minute"),
        delete: rule("4 per minute"),
        default: rule("6 per hour"),
        exempt: vec!["10.0.0.0/8".parse().unwrap()],
        shared: true,
    };
    RateLimiter::new(counter, settings)
}

fn at(address: &str) -> Caller<'_> {
    Caller {
        address: address.parse::<IpAddr>().unwrap(),
        subject: None,
    }
}

const READ: QuotaScope = QuotaScope {
    class: QuotaClass::Read,
    route: "",
};
const MESSAGE: QuotaScope = QuotaScope {
    class: QuotaClass::Message,
    route: "",
};

#[tokio::test]
async fn without_the_shared_counter_each_process_counts_its_share() {
    let Setup {
        primary,
        breaker,
        counter,
    } = setup();
    let (key, rule) = (key("k"), rule("10 per day", QuotaStrategy::FixedWindow));
    let decision = counter.hit(&key, &rule).await.unwrap();
    assert!(decision.shared && decision.windows[0].quota.count() == 10);

    primary.fail_next(usize::MAX, unavailable());
    for number in 1..=5 {
        let decision = counter.hit(&key, &rule).await.unwrap();
        assert_eq!((decision.allowed, decision.shared), (number <= 3, false));
        assert_eq!(decision.windows[0].quota.count(), 3);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(!counter.peek(&key, &rule).await.unwrap().shared);
}

#[tokio::test]
async fn the_secondary_decides_after_a_permanent_error_and_the_breaker_stays_closed() {
    let Setup {
        primary,
        breaker,
        counter,
    } = setup();
    primary.fail_next(
        usize::MAX,
        BackendError::Failed("no such command".to_owned()),
    );
    let (key, rule) = (key("k"), rule("10 per day", QuotaStrategy::FixedWindow));
    for _ in 0..10 {
        assert!(!counter.hit(&key, &rule).await.unwrap().shared);
        assert!(!counter.peek(&key, &rule).await.unwrap().shared);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    primary.fail_next(0, unavailable());
    assert!(counter.hit(&key, &rule).await.unwrap().shared);
}

#[tokio::test]
async fn each_class_has_its_own_rule_and_count() {
    let rate_limiter = rate_limiter(setup().counter);
    let limits = QuotaClass::ALL.map(|class| rate_limiter.rule(class).limits()[0].count());
    assert_eq!(limits, [10, 3, 6000, 4, 6]);
    for number in 1..=4 {
        let decided = rate_limiter
            .check(READ, at("192.0.2.1"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(decided.decision.allowed, number <= 3);
        assert_eq!((decided.class, decided.degraded), (QuotaClass::Read, false));
    }
    let seen = rate_limiter
        .peek(MESSAGE, at("192.0.2.1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen.decision.windows[0].used, 0);
    assert_eq!(seen.decision.windows[0].quota.count(), 10);
}

#[tokio::test]
async fn an_exempt_address_is_not_counted_whatever_the_token() {
    let rate_limiter = rate_limiter(setup().counter);
    let exempt = Caller {
        subject: Some("alice"),
        ..at("10.1.2.3")
    };
    for _ in 0..5 {
        assert_eq!(rate_limiter.check(READ, exempt).await, Ok(None));
        assert_eq!(rate_limiter.peek(READ, exempt).await, Ok(None));
    }
    let elsewhere = Caller {
        subject: Some("alice"),
        ..at("192.0.2.1")
    };
    let seen = rate_limiter.peek(READ, elsewhere).await.unwrap().unwrap();
    assert_eq!(seen.decision.windows[0].used, 0);
}

#[tokio::test]
async fn a_subject_is_one_client_from_every_address() {
    let rate_limiter = rate_limiter(setup().counter);
    let alice = |address| Caller {
        subject: Some("alice"),
        ..at(address)
    };
    assert_eq!(alice("192.0.2.1").client(), Client::of_subject("alice"));
    for (number, address) in ["192.0.2.1", "2001:db8::1", "192.0.2.3", "192.0.2.4"]
        .iter()
        .enumerate()
    {
        let decided = rate_limiter
            .check(READ, alice(address))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(decided.decision.allowed, number < 3);
    }
    let same_address = rate_limiter
        .check(READ, at("192.0.2.1"))
        .await
        .unwrap()
        .unwrap();
    assert!(
        same_address.decision.allowed,
        "who has no token is another client"
    );
}

#[tokio::test]
async fn counting_alone_is_degraded_when_it_should_be_shared() {
    let Setup {
        primary, counter, ..
    } = setup();
    let rate_limiter = rate_limiter(counter);
    primary.fail_next(1, unavailable());
    assert!(
        rate_limiter
            .check(READ, at("192.0.2.1"))
            .await
            .unwrap()
            .unwrap()
            .degraded
    );
    assert!(
        !rate_limiter
            .check(READ, at("192.0.2.1"))
            .await
            .unwrap()
            .unwrap()
            .degraded
    );
}
