//! The list of topics.

use posthorn_application::{MessageStore, TopicPage, TopicRequest, TopicSummary};
use posthorn_domain::{Topic, TopicPattern, TopicRanges};

use super::StoreHarness;
use super::support::{append, append_many, keep_count, list_topics, prune};
use crate::samples::{limit, topic};

/// Names sort as text; a page continues after any name, whether it exists or not.
pub async fn topics_are_listed_by_name_in_pages(harness: impl StoreHarness) {
    let store = harness.store();
    assert_eq!(list(&*store, None, 200).await, TopicPage::default());
    for name in ["b", "a-b", "a.b", "0", "a_b", "a", "zz"] {
        append(&*store, &topic(name), "text").await;
    }
    let sorted = ["0", "a", "a-b", "a.b", "a_b", "b", "zz"];
    for (after, size, expected, has_more) in [
        (None, 200, sorted.as_slice(), false),
        (None, 7, &sorted, false),
        (None, 6, &sorted[..6], true),
        (None, 1, &sorted[..1], true),
        (Some("a"), 3, &sorted[2..5], true),
        (Some("a.a"), 4, &sorted[3..], false),
        (Some("zz"), 3, &[], false),
        (Some("zzz"), 3, &[], false),
    ] {
        let found = list(&*store, after, size).await;
        assert_eq!(names(&found), expected, "{size} after {after:?}");
        assert_eq!(found.has_more, has_more, "{size} after {after:?}");
    }
}

/// A page has only names in the ranges, in the order of names, and continues behind the last one.
pub async fn topics_are_listed_in_ranges_of_names(harness: impl StoreHarness) {
    let store = harness.store();
    for name in ["a", "a.b", "ab", "b", "b.c", "b.d", "c", "zz"] {
        append(&*store, &topic(name), "text").await;
    }
    for (patterns, size, expected, has_more) in [
        (
            &["*"][..],
            200,
            &["a", "a.b", "ab", "b", "b.c", "b.d", "c", "zz"][..],
            false,
        ),
        (&[], 200, &[], false),
        (&["c", "absent", "a"], 200, &["a", "c"], false),
        (&["b.*", "zz"], 200, &["b.c", "b.d", "zz"], false),
        (&["b.*", "zz"], 2, &["b.c", "b.d"], true),
        (&["b.*", "zzz"], 2, &["b.c", "b.d"], false),
        (
            &["b*", "a", "b.c", "zz"],
            4,
            &["a", "b", "b.c", "b.d"],
            true,
        ),
    ] {
        let patterns = patterns.iter().map(|text| TopicPattern::parse(text));
        let patterns: Vec<_> = patterns.collect::<Result<_, _>>().expect("patterns");
        let mut request = TopicRequest {
            names: TopicRanges::covering(&patterns),
            limit: limit(size),
        };
        let page = store.topics(request.clone()).await.expect("a page");
        assert_eq!(names(&page), expected, "{patterns:?}");
        assert_eq!(page.has_more, has_more, "{patterns:?}");
        if let Some(first) = page.topics.first() {
            request.names = request.names.after(&first.topic);
            let rest = store.topics(request).await.expect("a page");
            assert_eq!(names(&rest).get(..expected.len() - 1), expected.get(1..));
        }
    }
}

/// Counts and ends are exact after deletes and pruning; a topic without messages is not listed.
pub async fn a_topic_is_listed_while_it_has_a_message(harness: impl StoreHarness) {
    let (store, a, b) = (harness.store(), topic("a"), topic("b"));
    let of_a = append_many(&*store, &a, 5).await;
    let of_b = append_many(&*store, &b, 2).await;
    let summary = |topic: &Topic, ids: &[_]| TopicSummary {
        topic: topic.clone(),
        count: u64::try_from(ids.len()).unwrap(),
        first: ids[0],
        last: ids[ids.len() - 1],
    };
    assert_eq!(
        list_topics(&*store).await,
        [summary(&a, &of_a), summary(&b, &of_b)]
    );
    assert_eq!(store.delete(&a, of_a[0]).await, Ok(true));
    assert_eq!(store.delete(&a, of_a[2]).await, Ok(true));
    assert_eq!(store.delete(&a, of_a[4]).await, Ok(true));
    assert_eq!(
        list_topics(&*store).await,
        [summary(&a, &[of_a[1], of_a[3]]), summary(&b, &of_b)]
    );
    assert_eq!(prune(&*store, keep_count(1)).await, 2);
    assert_eq!(
        list_topics(&*store).await,
        [summary(&a, &of_a[3..4]), summary(&b, &of_b[1..])]
    );
    assert_eq!(store.delete(&b, of_b[1]).await, Ok(true));
    assert_eq!(list_topics(&*store).await, [summary(&a, &of_a[3..4])]);
    let anew = append(&*store, &b, "text").await.id;
    assert_eq!(
        list_topics(&*store).await,
        [summary(&a, &of_a[3..4]), summary(&b, &[anew])]
    );
}

fn names(page: &TopicPage) -> Vec<&str> {
    let topics = page.topics.iter();
    topics.map(|summary| summary.topic.as_str()).collect()
}

async fn list(store: &dyn MessageStore, after: Option<&str>, size: usize) -> TopicPage {
    let request = TopicRequest::after(after.map(topic).as_ref(), limit(size));
    store.topics(request).await.expect("the topics are listed")
}
