//! Lists of topics of which a reader may see some.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{MessageService, MessageStore, PageLimit};
use posthorn_domain::{Topic, TopicPattern};
use posthorn_testkit::{FakeClock, FakeStore, samples};

const DAY: Duration = Duration::from_hours(24);

/// A service over a store that holds topics of these names.
async fn holding(names: impl Iterator<Item = String>) -> MessageService {
    let store = Arc::new(FakeStore::new(Arc::new(FakeClock::new())));
    for name in names {
        let append = samples::append(&samples::topic(&name), "text");
        store.append(append).await.unwrap();
    }
    MessageService::new(store, "pod".into(), DAY)
}

/// The names of one list of the topics that match `patterns`, and after which one it goes on.
async fn list(
    service: &MessageService,
    after: Option<Topic>,
    limit: usize,
    patterns: &[&str],
) -> (Vec<String>, Option<Topic>) {
    let limit = PageLimit::parse(limit).unwrap();
    let patterns = patterns.iter().map(|text| TopicPattern::parse(text));
    let patterns: Vec<_> = patterns.collect::<Result<_, _>>().unwrap();
    let listing = service.matching_topics(after.as_ref(), limit, &patterns);
    let listing = listing.await.unwrap();
    let topics = listing.topics.iter();
    let names = topics.map(|summary| summary.topic.to_string());
    (names.collect(), listing.next)
}

#[tokio::test]
async fn a_list_does_not_search_where_no_pattern_can_match() {
    let others = (0..9000).map(|number| format!("m.{number:04}"));
    let service = holding(others.chain(["a", "m.3000.x", "z.1", "z.2"].map(str::to_owned))).await;
    let found = list(&service, None, 50, &["z.*", "a", "m.3000*", "absent"]).await;
    let expected = ["a", "m.3000", "m.3000.x", "z.1", "z.2"].map(str::to_owned);
    // One list, which is whole, although it would have been bounded by the topics between.
    assert_eq!(found, (expected.to_vec(), None));
    assert_eq!(list(&service, None, 50, &[]).await, (Vec::new(), None));
}

#[tokio::test]
async fn a_list_of_few_matching_topics_is_bounded_and_continues_without_naming_others() {
    let visible = ["a", "hidden.3000", "z0"];
    let hidden = (0..9000).map(|number| format!("hidden.{number:04}x"));
    let service = holding(hidden.chain(visible.map(str::to_owned))).await;
    let (mut after, mut found, mut lists) = (None, Vec::new(), 0);
    loop {
        let (names, next) = list(&service, after.clone(), 50, &["a", "*0"]).await;
        found.extend(names);
        lists += 1;
        let Some(next) = next else { break };
        assert!(after.is_none_or(|after| next > after), "{next}");
        assert!(!next.as_str().ends_with('x'), "{next} gives a name away");
        after = Some(next);
    }
    assert_eq!(found, visible);
    assert!((2..=5).contains(&lists), "{lists}");
    // Where nothing can be seen, a list is empty and goes on.
    let (names, next) = list(&service, Some(samples::topic("b")), 50, &["*none"]).await;
    assert!(names.is_empty() && next.is_some(), "{next:?}");
}

#[tokio::test]
async fn a_full_list_continues_after_its_last_topic_and_the_last_list_ends() {
    let names = ["a", "b", "c", "d"];
    let service = holding(names.map(str::to_owned).into_iter()).await;
    for (limit, visible, expected, next) in [
        (1, &["a", "c"][..], &["a"][..], Some("a")),
        (2, &["a", "c"], &["a", "c"], None),
        (2, &["a", "c", "d"], &["a", "c"], Some("c")),
        (9, &[], &[], None),
    ] {
        let found = list(&service, None, limit, visible).await;
        let expected = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, (expected, next.map(samples::topic)));
    }
}
