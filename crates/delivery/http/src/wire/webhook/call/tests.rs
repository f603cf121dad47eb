//! Bodies of webhooks: what they become, and every mistake in them.

use posthorn_domain::Timestamp;
use serde_json::json;

use super::*;
use crate::wire::problem::ApiError;

fn rules(schemes: UrlSchemes) -> UrlRules {
    UrlRules {
        schemes,
        addresses: AddressPolicy::new(vec!["127.0.0.1".parse().unwrap()]),
    }
}

fn parse(body: &Value) -> Result<WebhookChange, ApiError> {
    let rules = rules(UrlSchemes::HttpAndHttps);
    WebhookBody::parse(body.to_string().as_bytes(), &rules, Precondition::None)
}

#[track_caller]
fn problems<T>(parsed: Result<T, ApiError>) -> Vec<(String, &'static str)> {
    let problems = parsed.err().map_or_else(Vec::new, |error| error.fields);
    let pairs = problems
        .into_iter()
        .map(|problem| (problem.field.clone(), problem.code.as_str()));
    pairs.collect()
}

#[track_caller]
fn check(body: &Value, expected: &[(&str, &str)]) {
    let found = problems(parse(body));
    let found: Vec<_> = found
        .iter()
        .map(|(field, code)| (field.as_str(), *code))
        .collect();
    assert_eq!(found, expected, "{body}");
}

#[test]
fn what_is_absent_gets_its_default() {
    let change = parse(&json!({"url": "https://example.com/hook"})).unwrap();
    let url = WebhookUrl::parse("https://example.com/hook", UrlSchemes::Https).unwrap();
    assert_eq!(change.settings, WebhookSettings::new(url));
    assert!(change.secret.is_none() && change.headers.is_empty());
}

#[test]
fn every_setting_is_taken() {
    let change = parse(&json!({
        "url": "http://127.0.0.1:8080/hook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "start": "newest", "schedule_seconds": [0, 1.5], "timeout_seconds": 2.25,
        "max_in_flight": 7, "rate_per_second": 0.5, "format": "cloudevents",
        "headers": {"Authorization": "Bearer a", "X-B": ""},
    }));
    let change = change.unwrap();
    let settings = &change.settings;
    assert_eq!(settings.schedule.as_millis(), [0, 1_500]);
    assert_eq!(settings.timeout.as_millis(), 2_250);
    assert_eq!(settings.max_in_flight.get(), 7);
    assert_eq!(settings.rate.unwrap().as_thousandths(), 500);
    assert_eq!(settings.format, WebhookFormat::CloudEvents);
    assert_eq!(change.headers.len(), 2);
    assert!(change.secret.is_some());
}

#[test]
fn a_rate_of_null_is_no_rate() {
    let body = json!({"url": "https://example.com/hook", "rate_per_second": null});
    assert_eq!(parse(&body).unwrap().settings.rate, None);
}

#[test]
fn a_url_that_no_request_can_reach_is_a_mistake() {
    for url in ["https://example.com:0/", "https://*.example.com/"] {
        check(&json!({ "url": url }), &[("url", "webhook-url")]);
    }
}

#[test]
fn every_mistake_is_named() {
    check(&json!({}), &[("url", "required")]);
    check(
        &json!({
            "url": "ftp://example.com", "secret": "whsec_short", "start": "yesterday",
            "schedule_seconds": [1, -1, "a", 86401], "timeout_seconds": 61, "max_in_flight": 0,
            "rate_per_second": 0, "format": "xml", "headers": [], "x": 1,
        }),
        &[
            ("x", "unknown-field"),
            ("url", "webhook-url"),
            ("secret", "webhook-secret"),
            ("start", "position"),
            ("schedule_seconds.1", "seconds"),
            ("schedule_seconds.2", "not-a-number"),
            ("schedule_seconds.3", "seconds"),
            ("timeout_seconds", "seconds"),
            ("max_in_flight", "range"),
            ("rate_per_second", "rate"),
            ("format", "choice"),
            ("headers", "not-an-object"),
        ],
    );
    check(
        &json!({"url": null, "schedule_seconds": []}),
        &[("url", "null"), ("schedule_seconds", "entries")],
    );
}

#[test]
fn a_header_is_named_as_it_was_sent() {
    let url = "https://example.com";
    check(
        &json!({"url": url, "headers": {"Host": "a", "X-A": 1, "b c": "d", "X-Line": "a\nb"}}),
        &[
            ("headers.X-A", "not-a-string"),
            ("headers.Host", "header-owned"),
            ("headers.X-Line", "header-value"),
            ("headers.b c", "header-name"),
        ],
    );
    check(
        &json!({"url": url, "headers": {"X-A": "1", "x-a": "2"}}),
        &[("headers.X-A", "duplicate-field")],
    );
    let twice = format!(r#"{{"url":"{url}","headers":{{"X-A":"1","X-A":"2","b":"3"}}}}"#);
    let rules = rules(UrlSchemes::HttpAndHttps);
    let parsed = WebhookBody::parse(twice.as_bytes(), &rules, Precondition::None);
    let expected = ("headers.X-A".to_owned(), "duplicate-field");
    assert_eq!(problems(parsed), [expected]);
    let many: serde_json::Map<_, _> = (0..17)
        .map(|number| (format!("h{number}"), json!("a")))
        .collect();
    check(
        &json!({"url": url, "headers": many}),
        &[("headers", "too-many")],
    );
}

#[test]
fn an_address_in_the_url_is_checked() {
    for (url, expected) in [
        ("http://10.0.0.1/", Some("forbidden-address")),
        ("http://[::1]/", Some("forbidden-address")),
        ("http://0x7f.2/", Some("forbidden-address")),
        ("http://127.0.0.1/", None),
        ("http://localhost/", None),
        ("http://8.8.8.8/", None),
    ] {
        let found = problems(parse(&json!({ "url": url })));
        let found = found.first().map(|(field, code)| (field.as_str(), *code));
        assert_eq!(found, expected.map(|code| ("url", code)), "{url}");
    }
    let https = WebhookBody::parse(
        br#"{"url": "http://example.com"}"#,
        &rules(UrlSchemes::Https),
        Precondition::None,
    );
    assert_eq!(problems(https), [("url".to_owned(), "webhook-url")]);
}

#[test]
fn a_grace_is_up_to_a_week() {
    let parse = |body: &str| RotateBody::parse(body.as_bytes());
    assert_eq!(parse("").unwrap(), Duration::from_hours(24));
    assert_eq!(parse(r#"{"grace_seconds": 0}"#).unwrap(), Duration::ZERO);
    for body in [
        r#"{"grace_seconds": 604801}"#,
        r#"{"grace_seconds": -1}"#,
        r#"{"grace_seconds": 0.0001}"#,
    ] {
        let expected = [("grace_seconds".to_owned(), "seconds")];
        assert_eq!(problems(parse(body)), expected, "{body}");
    }
}

#[test]
fn a_replay_has_ids_or_times() {
    let parse = |body: &Value| ReplayBody::parse(body.to_string().as_bytes());
    let id = "01KATQ2J00000000000000001F";
    let replay = parse(&json!({"from": id, "to": "2026-11-23T00:00:00.120Z"})).unwrap();
    assert_eq!(replay.from, ReplayBound::Id(id.parse().unwrap()));
    let to = Timestamp::from_millis(1_795_392_000_120);
    assert_eq!(replay.to, Some(ReplayBound::Time(to)));
    assert_eq!(parse(&json!({ "from": id })).unwrap().to, None);
    for (body, expected) in [
        (json!({}), ("from", "required")),
        (json!({"from": "oldest"}), ("from", "id-or-time")),
        (json!({"from": id, "to": "x"}), ("to", "id-or-time")),
        (
            json!({"from": id, "to": "2025-01-01T00:00:00Z"}),
            ("to", "backwards"),
        ),
    ] {
        let expected = [(expected.0.to_owned(), expected.1)];
        assert_eq!(problems(parse(&body)), expected, "{body}");
    }
}
