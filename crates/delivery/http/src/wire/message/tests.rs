//! Every problem of a body is reported, and a valid body is parsed.

use super::*;

fn parse(json: &[u8]) -> Result<IncomingMessage, ApiError> {
    IncomingMessage::parse(json, &ContentRules::default(), None, Vec::new())
}

#[track_caller]
fn check(json: &str, expected: &[(&str, &str)]) {
    let error = parse(json.as_bytes()).unwrap_err();
    assert_eq!(error.code, Code::ValidationFailed, "{json}");
    let mut found: Vec<_> = error
        .fields
        .iter()
        .map(|p| (p.field.as_str(), p.code.as_str()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{json}");
}

#[track_caller]
fn check_malformed(json: &[u8]) {
    let error = parse(json).unwrap_err();
    assert_eq!(error.code, Code::MalformedJson);
}

#[test]
fn the_place_of_what_is_not_json_is_named() {
    for (body, place) in [
        (&b"{\"message\":}"[..], "in line 1, byte 12"),
        (b"", "in line 1, byte 1"),
        (b"{\n \"message\": \"a\"", "in line 2, byte 15"),
        (b"{\"message\": \"a\nb\"}", "at the end of line 1"),
        (b"{\"message\":\n\"\xff\"}", "in line 2, byte 2"),
    ] {
        let error = parse(body).unwrap_err();
        let (_, english) = *error.detail.unwrap();
        assert!(english.ends_with(&format!("error {place}.")), "{english}");
    }
}

#[test]
fn a_valid_body_becomes_domain_values() {
    let json = r#"{"message": " \u043f\n ", "topic": "a", "attributes": {"k": "v"}}"#;
    let body = parse(json.as_bytes()).unwrap();
    assert_eq!(body.content.as_str(), "п");
    assert_eq!(body.topic.unwrap().as_str(), "a");
    assert_eq!(body.attributes.len(), 1);
}

#[test]
fn every_failing_field_is_found_at_once() {
    check("{}", &[("message", "required")]);
    check(r#"{"message": null}"#, &[("message", "null")]);
    check(r#"{"message": 1}"#, &[("message", "not-a-string")]);
    check(r#"{"message": "  "}"#, &[("message", "length")]);
    check(
        r#"{"message": "a\u0000"}"#,
        &[("message", "control-character")],
    );
    check(r#"{"message": -1e400}"#, &[("message", "not-a-string")]);
    check("1e400", &[("_schema", "invalid-type")]);
    check("[]", &[("_schema", "invalid-type")]);
    check(r#""text""#, &[("_schema", "invalid-type")]);
    check(
        r#"{"message": "a", "message": "b"}"#,
        &[("message", "duplicate-field")],
    );
    check(
        r#"{"foo": 1, "message": ["x"], "topic": "No", "attributes": {"K": "v", "n": 1, "l": null}}"#,
        &[
            ("attributes.K", "pattern"),
            ("attributes.l", "null"),
            ("attributes.n", "not-a-string"),
            ("foo", "unknown-field"),
            ("message", "not-a-string"),
            ("topic", "pattern"),
        ],
    );
    check(
        r#"{"message": "a", "attributes": []}"#,
        &[("attributes", "not-an-object")],
    );
    check(
        r#"{"message": "a", "topic": null, "attributes": null}"#,
        &[("attributes", "null"), ("topic", "null")],
    );
    let many: Vec<_> = (0..17).map(|n| format!(r#""k{n}": """#)).collect();
    let json = format!(
        r#"{{"message": "a", "attributes": {{{}}}}}"#,
        many.join(",")
    );
    check(&json, &[("attributes.k16", "too-many")]);
    let long = "я".repeat(257);
    let json = format!(r#"{{"message": "a", "attributes": {{"k": "{long}"}}}}"#);
    check(&json, &[("attributes.k", "length")]);
}

#[test]
fn a_present_message_is_not_missing_however_many_members_are_unknown() {
    let unknown: Vec<_> = (0..150).map(|n| format!(r#""{n}": 1"#)).collect();
    let unknown = unknown.join(",");
    for message in [r#""a""#, "1"] {
        let json = format!(r#"{{{unknown}, "message": {message}, "topic": "No"}}"#);
        let problems = parse(json.as_bytes()).unwrap_err().fields;
        assert!(problems.len() <= MAX_FIELDS + 3, "{}", problems.len());
        let codes: Vec<_> = problems.iter().map(|problem| &problem.code).collect();
        assert!(!codes.contains(&&FieldCode::Required));
        let is_text = message.starts_with('"');
        assert_eq!(codes.contains(&&FieldCode::NotAString), !is_text);
    }
}

#[test]
fn text_that_is_not_json_is_malformed() {
    check_malformed(b"");
    check_malformed(b"null");
    check_malformed(b"{\"message\": \"a\"");
    check_malformed(b"{\"foo\": 1, oops");
    check_malformed(b"{\"message\": \"\\ud83d\"}");
    check_malformed(b"{\"message\": \"\xff\"}");
    check_malformed("[".repeat(100_000).as_bytes());
    check_malformed(format!("{{\"foo\": {}", "[".repeat(100_000)).as_bytes());
}
