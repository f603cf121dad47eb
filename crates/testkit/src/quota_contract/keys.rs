//! Which keys are counted separately.

use std::time::Duration;

use posthorn_application::{QuotaClass, QuotaKey, QuotaScope};
use posthorn_domain::Client;

use super::{QuotaHarness, STRATEGIES, hit, key, rule, settle};

const REST: Duration = Duration::from_secs(30);

/// Clients with similar names, and every scope of one client.
pub async fn keys_are_counted_apart(harness: impl QuotaHarness) {
    let counter = harness.counter();
    let at = |address: &str| Client::at(address.parse().unwrap());
    let long = "x".repeat(300);
    let subjects = [
        "",
        " ",
        "a",
        "A",
        "a ",
        "a}",
        "{a}",
        "a:b",
        "ключ",
        "a\n",
        "192.0.2.1",
        &long,
    ];
    let mut clients = vec![
        at("192.0.2.1"),
        at("192.0.2.2"),
        at("2001:db8::1"),
        at("2001:db8:0:1::1"),
    ];
    clients.extend(subjects.map(Client::of_subject));
    let scope = |class, route| QuotaScope { class, route };
    let scopes = [
        scope(QuotaClass::Message, ""),
        scope(QuotaClass::Read, ""),
        scope(QuotaClass::Delete, ""),
        scope(QuotaClass::Default, ""),
        scope(QuotaClass::Default, "info"),
        scope(QuotaClass::Default, "ping"),
    ];
    for strategy in STRATEGIES {
        let rule = rule("1 per day", strategy);
        settle(&harness, &rule, REST).await;
        for allowed in [true, false] {
            for client in &clients {
                for scope in scopes {
                    let client = client.clone();
                    let key = QuotaKey { client, scope };
                    assert_eq!(hit(&counter, &key, &rule).await.allowed, allowed, "{key:?}");
                }
            }
        }
    }
}

/// In turn, each sees the count of the other.
pub async fn processes_count_together(harness: impl QuotaHarness) {
    let handles = [harness.counter(), harness.other_process().await];
    for strategy in STRATEGIES {
        let (key, rule) = (key(strategy.as_str()), rule("10 per day", strategy));
        settle(&harness, &rule, REST).await;
        for number in 0..40 {
            let decision = hit(&handles[number % 2], &key, &rule).await;
            assert_eq!(decision.allowed, number < 10, "{decision:?}");
        }
    }
}
