//! What `/metrics` shows.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use posthorn_application::{
    AppIdentity, BackendError, Cache, DependencyObserver, MessageStore, QuotaCounter,
    RetentionPolicy,
};
use posthorn_telemetry::{
    InstrumentedCache, InstrumentedQuotaCounter, InstrumentedStore, Metrics, PoolCounts,
};
use posthorn_testkit::{
    FakeCache, FakeClock, FakeQuotaCounter, FakeStore, quota_contract, samples,
};

/// The reasons that the fixture knows from the start.
const SHED_REASONS: [&str; 2] = ["in_flight", "flood"];

fn identity() -> AppIdentity {
    AppIdentity {
        name: "posthorn".into(),
        version: "1.2.3".into(),
        environment: "testing".into(),
        instance: "pod \"7\"".into(),
    }
}

fn fixture() -> (Arc<FakeClock>, Metrics) {
    let clock = Arc::new(FakeClock::new());
    let metrics = Metrics::new(&identity(), Arc::clone(&clock) as _);
    let retention = RetentionPolicy {
        max_age: Duration::from_hours(1),
        max_count: 5,
    };
    let metrics = metrics.with_shed_reasons(SHED_REASONS);
    (clock, metrics.with_retention(&retention))
}

fn count_request(metrics: &Metrics, status: u16, latency: Duration) {
    metrics.request_finished("POST", "/api/v1/message", status, latency);
}

/// The value of `series`, labels and all; `None` when it is not there.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

#[track_caller]
fn check(metrics: &Metrics, series: &str, expected: impl Into<Option<f64>>) {
    let text = metrics.render().unwrap();
    assert_eq!(value(&text, series), expected.into(), "{series} in\n{text}");
}

/// The names of the metrics with their types, as declared.
fn declared(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect()
}

/// The page with `_` for each value: names, types, help texts and labels. The series of a metric are
/// sorted, because they come in the order of a hash map.
fn without_values(text: &str) -> String {
    let lines = text.lines().map(|line| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') => format!("{series} _"),
        _ => line.to_owned(),
    });
    let mut lines: Vec<_> = lines.collect();
    let is_comment = |line: &String| line.starts_with('#');
    for series in lines.split_mut(is_comment) {
        series.sort();
    }
    lines.join("\n")
}

#[tokio::test]
async fn every_metric_of_the_contract_is_there_under_its_name() {
    let (_, metrics) = fixture();
    metrics.request_started();
    count_request(&metrics, 201, Duration::ZERO);
    metrics.message_rejected("content-empty");
    metrics.access_refused("expired");
    metrics.dependency_changed("redis", true);
    metrics.register_pool(Box::new(PoolCounts::default));
    let store = InstrumentedStore::new(Arc::new(FakeStore::default()), &metrics);
    store.health().await.unwrap();
    let cache = InstrumentedCache::new(
        Arc::new(FakeCache::<Vec<u8>>::default()),
        "memory",
        &metrics,
    );
    cache.clear().await.unwrap();
    let quotas = FakeQuotaCounter::default();
    let quotas = InstrumentedQuotaCounter::new(Arc::new(quotas), "memory", &metrics);
    let rule = quota_contract::rule("1 per day", quota_contract::STRATEGIES[0]);
    quotas.hit(&quota_contract::key("k"), &rule).await.unwrap();
    let text = metrics.render().unwrap();
    // A counter's samples end in `_total`, which its declared name does not.
    let expected = [
        ("app", "info"),
        ("app_uptime_seconds", "gauge"),
        ("app_requests", "counter"),
        ("app_request_duration_seconds", "histogram"),
        ("app_requests_in_flight", "gauge"),
        ("app_messages_accepted", "counter"),
        ("app_messages_replayed", "counter"),
        ("app_messages_pruned", "counter"),
        ("app_store_clock_ahead_seconds", "gauge"),
        ("app_store_unreadable_records", "counter"),
        ("app_store_topics", "gauge"),
        ("app_store_bytes", "gauge"),
        ("app_messages_trapped", "counter"),
        ("app_messages_rejected", "counter"),
        ("app_consumer_settled", "counter"),
        ("app_retention_age_seconds", "gauge"),
        ("app_retention_messages", "gauge"),
        ("app_auth_failures", "counter"),
        ("app_webhook_attempts", "counter"),
        ("app_webhook_attempt_duration_seconds", "histogram"),
        ("app_webhooks_disabled", "counter"),
        ("app_store_operation_duration_seconds", "histogram"),
        ("app_store_errors", "counter"),
        ("app_cache_requests", "counter"),
        ("app_streams_open", "gauge"),
        ("app_connections_open", "gauge"),
        ("app_requests_shed", "counter"),
        ("app_rate_limit_decisions", "counter"),
        ("app_dependency_up", "gauge"),
        ("app_pool_connections", "gauge"),
        ("process_cpu_seconds", "counter"),
        ("process_open_fds", "gauge"),
        ("process_max_fds", "gauge"),
        ("process_virtual_memory_bytes", "gauge"),
        ("process_virtual_memory_max_bytes", "gauge"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_start_time_seconds", "gauge"),
        ("process_threads", "gauge"),
    ];
    assert_eq!(declared(&text), BTreeMap::from(expected), "{text}");
    insta::assert_snapshot!(without_values(&text));
}

#[test]
fn the_exposition_is_whole_open_metrics_text() {
    let (_, metrics) = fixture();
    let text = metrics.render().unwrap();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, number) = line.rsplit_once(' ').unwrap();
        assert!(number.parse::<f64>().is_ok(), "{line}");
        assert!(
            name.starts_with("app_") || name.starts_with("process_"),
            "{line}"
        );
    }
}

#[test]
fn the_identity_is_a_metric_of_its_own_and_is_escaped() {
    let (_, metrics) = fixture();
    let series = r#"app_info{version="1.2.3",environment="testing",pod="pod \"7\""}"#;
    check(&metrics, series, 1.0);
}

#[test]
fn the_uptime_follows_the_clock() {
    let (clock, metrics) = fixture();
    check(&metrics, "app_uptime_seconds", 0.0);
    clock.advance(Duration::from_millis(1500));
    check(&metrics, "app_uptime_seconds", 1.5);
}

#[test]
fn a_request_is_counted_and_timed_by_method_template_and_status() {
    let (_, metrics) = fixture();
    metrics.request_started();
    metrics.request_started();
    check(&metrics, "app_requests_in_flight", 2.0);
    count_request(&metrics, 201, Duration::from_millis(3));
    check(&metrics, "app_requests_in_flight", 1.0);
    let labels = r#"method="POST",endpoint="/api/v1/message",status="201""#;
    check(&metrics, &format!("app_requests_total{{{labels}}}"), 1.0);
    let duration = "app_request_duration_seconds";
    check(&metrics, &format!("{duration}_sum{{{labels}}}"), 0.003);
    check(&metrics, &format!("{duration}_count{{{labels}}}"), 1.0);
    for (bound, count) in [("0.0025", 0.0), ("0.005", 1.0), ("5.0", 1.0), ("+Inf", 1.0)] {
        let series = format!("{duration}_bucket{{le=\"{bound}\",{labels}}}");
        check(&metrics, &series, count);
    }
}

#[test]
fn durations_have_the_buckets_of_the_contract() {
    let (_, metrics) = fixture();
    metrics.request_started();
    count_request(&metrics, 200, Duration::ZERO);
    let text = metrics.render().unwrap();
    let bounds: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("app_request_duration_seconds_bucket{le=\""))
        .filter_map(|rest| Some(rest.split_once('"')?.0))
        .collect();
    let expected = [
        "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0",
        "2.5", "5.0", "+Inf",
    ];
    assert_eq!(bounds, expected);
}

#[test]
fn a_request_whose_client_went_away_only_leaves_the_flight() {
    let (_, metrics) = fixture();
    metrics.request_started();
    metrics.request_abandoned();
    check(&metrics, "app_requests_in_flight", 0.0);
    let text = metrics.render().unwrap();
    assert!(!text.contains("app_requests_total"), "{text}");
}

#[test]
fn refusals_streams_and_dependencies_are_shown() {
    let (_, metrics) = fixture();
    metrics.message_rejected("content-too-long");
    metrics.message_rejected("content-too-long");
    let rejected = r#"app_messages_rejected_total{code="content-too-long"}"#;
    check(&metrics, rejected, 2.0);
    metrics.access_refused("expired");
    let refused = r#"app_auth_failures_total{reason="expired"}"#;
    check(&metrics, refused, 1.0);
    metrics.stream_changed(true);
    metrics.stream_changed(true);
    metrics.stream_changed(false);
    metrics.request_started();
    metrics.request_waiting(true);
    check(&metrics, "app_streams_open", 1.0);
    check(&metrics, "app_requests_in_flight", 0.0);
    metrics.request_waiting(false);
    check(&metrics, "app_requests_in_flight", 1.0);
    let redis = r#"app_dependency_up{dependency="redis"}"#;
    check(&metrics, redis, None);
    metrics.dependency_changed("redis", true);
    check(&metrics, redis, 1.0);
    metrics.dependency_changed("redis", false);
    check(&metrics, redis, 0.0);
}

#[test]
fn pools_are_asked_at_each_exposition_and_added_up() {
    let (_, metrics) = fixture();
    let in_use = r#"app_pool_connections{state="in_use"}"#;
    check(&metrics, in_use, None);
    metrics.register_pool(Box::new(|| PoolCounts { in_use: 2, idle: 3 }));
    metrics.register_pool(Box::new(|| PoolCounts { in_use: 4, idle: 5 }));
    check(&metrics, in_use, 6.0);
    check(&metrics, r#"app_pool_connections{state="idle"}"#, 8.0);
}

#[test]
fn the_process_is_described_truthfully() {
    let (_, metrics) = fixture();
    let text = metrics.render().unwrap();
    let read = |name| value(&text, name).unwrap_or_else(|| panic!("{name} is missing"));
    let resident = read("process_resident_memory_bytes");
    assert!((1e6..1e12).contains(&resident), "{resident}");
    assert!(read("process_virtual_memory_bytes") >= resident);
    assert!(read("process_virtual_memory_max_bytes") > 0.0);
    assert!(read("process_open_fds") >= 3.0);
    assert!(read("process_max_fds") >= read("process_open_fds"));
    assert!(read("process_threads") >= 1.0);
    assert!(read("process_cpu_seconds_total") >= 0.0);
    // After this was written, and not in milliseconds.
    assert!((1.7e9..1e11).contains(&read("process_start_time_seconds")));
}

#[tokio::test]
async fn the_identity_of_the_store_is_shown_once_it_is_known() {
    let (_, metrics) = fixture();
    let store = InstrumentedStore::new(Arc::new(FakeStore::default()), &metrics);
    assert!(!metrics.render().unwrap().contains("app_store_info"));
    let identity = store.usage().await.unwrap().identity.unwrap();
    let series = format!("app_store_info{{identity=\"{identity}\"}}");
    check(&metrics, &series, 1.0);
}

#[tokio::test]
async fn no_text_of_a_message_reaches_the_exposition() {
    let (_, metrics) = fixture();
    let store = InstrumentedStore::new(Arc::new(FakeStore::default()), &metrics);
    let append = samples::append(&samples::topic("secret-topic"), "the text of a message");
    store.append(append).await.unwrap();
    let text = metrics.render().unwrap();
    assert!(!text.contains("the text"), "{text}");
    assert!(!text.contains("secret-topic"), "{text}");
}

#[test]
fn what_protects_the_server_is_counted_by_its_reason_from_the_start() {
    let (_, metrics) = fixture();
    for reason in SHED_REASONS {
        let series = format!("app_requests_shed_total{{reason=\"{reason}\"}}");
        check(&metrics, &series, 0.0);
        metrics.request_shed(reason);
        check(&metrics, &series, 1.0);
    }
    metrics.connection_changed(true);
    metrics.connection_changed(true);
    metrics.connection_changed(false);
    check(&metrics, "app_connections_open", 1.0);
}

#[tokio::test]
async fn decisions_on_quotas_are_counted_by_class_outcome_and_back_end() {
    let (clock, metrics) = fixture();
    let inner = Arc::new(FakeQuotaCounter::new(clock, true));
    let quotas = InstrumentedQuotaCounter::new(inner.clone(), "redis", &metrics);
    let (key, rule) = (
        quota_contract::key("k"),
        quota_contract::rule("2 per day", quota_contract::STRATEGIES[0]),
    );
    for _ in 0..5 {
        quotas.hit(&key, &rule).await.unwrap();
        quotas.peek(&key, &rule).await.unwrap();
    }
    inner.fail_next(1, BackendError::Unavailable("as the test wants".to_owned()));
    quotas.hit(&key, &rule).await.unwrap_err();
    inner.fail_next(1, BackendError::Failed("as the test wants".to_owned()));
    quotas.hit(&key, &rule).await.unwrap_err();
    for (outcome, count) in [
        ("allowed", 2.0),
        ("denied", 3.0),
        ("unavailable", 1.0),
        ("failed", 1.0),
    ] {
        let labels = format!("limit=\"message\",outcome=\"{outcome}\",backend=\"redis\"");
        check(
            &metrics,
            &format!("app_rate_limit_decisions_total{{{labels}}}"),
            count,
        );
    }
}

#[test]
fn limits_are_shown_and_errors_are_zero_before_the_first() {
    let (_, metrics) = fixture();
    let metrics = metrics
        .with_limits(3, 2, 1)
        .with_store_limits(5, Some(4))
        .with_rejections(["overloaded"])
        .with_refusals(["revoked"]);
    check(
        &metrics,
        r#"app_messages_rejected_total{code="overloaded"}"#,
        0.0,
    );
    check(&metrics, "app_store_topics_limit", 5.0);
    check(&metrics, "app_store_bytes_limit", 4.0);
    check(&metrics, "app_connections_limit", 3.0);
    check(&metrics, "app_streams_limit", 2.0);
    check(&metrics, "app_requests_in_flight_limit", 1.0);
    check(
        &metrics,
        r#"app_auth_failures_total{reason="revoked"}"#,
        0.0,
    );
    count_request(&metrics, 201, Duration::ZERO);
    for status in [500, 503] {
        let labels = format!(r#"method="POST",endpoint="/api/v1/message",status="{status}""#);
        check(&metrics, &format!("app_requests_total{{{labels}}}"), 0.0);
    }
}
