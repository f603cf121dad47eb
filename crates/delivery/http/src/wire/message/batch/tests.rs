//! Batches of every form, valid and not.

use super::*;
use crate::settings::Locale;

fn parse_in(format: BatchFormat, body: &str) -> Result<Vec<String>, ApiError> {
    let topic = Topic::parse("t").unwrap();
    let rules = ContentRules::default();
    let batch = parse(
        format,
        body.as_bytes(),
        &rules,
        Some(&topic),
        None,
        Vec::new(),
    )?;
    let texts = batch.messages().iter();
    Ok(texts
        .map(|message| message.content.as_str().to_owned())
        .collect())
}

/// The failing fields with their pointers and codes.
fn failing(format: BatchFormat, body: &str) -> Vec<(String, String, &'static str)> {
    let error = parse_in(format, body).unwrap_err();
    assert_eq!(error.code, Code::ValidationFailed, "{body}");
    let fields = error.fields.iter();
    fields
        .map(|problem| {
            let pointer = problem.pointer.clone().unwrap();
            (problem.field.clone(), pointer, problem.code.as_str())
        })
        .collect()
}

#[test]
fn the_items_are_the_messages_in_their_order() {
    let array = r#" [{"message": "a"}, {"message": " b ", "topic": "t"}] "#;
    assert_eq!(parse_in(BatchFormat::Json, array).unwrap(), ["a", "b"]);
    let lines = "\n{\"message\": \"a\"}\r\n \r\n{\"message\": \"b\"}";
    assert_eq!(parse_in(BatchFormat::Lines, lines).unwrap(), ["a", "b"]);
    let events = r#"[{"specversion": "1.0", "id": "1", "source": "/", "type": "t", "data": "a"},
        {"specversion": "1.0", "id": "2", "source": "/", "type": "t", "data": [1, 2]}]"#;
    assert_eq!(
        parse_in(BatchFormat::Events, events).unwrap(),
        ["a", "[1,2]"]
    );
}

#[test]
fn every_failing_field_of_every_item_is_named() {
    let array = r#"[{"message": "a"}, {"message": "", "topic": "u"}, 1, null,
        {"attributes": {"a/b": "1"}}]"#;
    let expected = [
        ("1.message", "/1/message", "length"),
        ("1.topic", "/1/topic", "topic-mismatch"),
        ("2", "/2", "invalid-type"),
        ("3", "/3", "invalid-type"),
        ("4.attributes.a/b", "/4/attributes/a~1b", "pattern"),
        ("4.message", "/4/message", "required"),
    ];
    let own =
        |(field, pointer, code): (&str, &str, _)| (field.to_owned(), pointer.to_owned(), code);
    assert_eq!(failing(BatchFormat::Json, array), expected.map(own));
    let lines = "\n{\"message\": \"a\"}\n\n{}\n7\n";
    let expected = [
        ("1.message", "/1/message", "required"),
        ("2", "/2", "invalid-type"),
    ];
    assert_eq!(failing(BatchFormat::Lines, lines), expected.map(own));
    let events = r#"[{"specversion": "1.0", "id": "1", "source": "/", "type": "t"}]"#;
    let expected = [("0.data", "/0/data", "required")];
    assert_eq!(failing(BatchFormat::Events, events), expected.map(own));
}

#[test]
fn there_is_at_least_one_message_and_at_most_a_thousand() {
    for (format, body) in [
        (BatchFormat::Json, "[]"),
        (BatchFormat::Lines, ""),
        (BatchFormat::Lines, "\n \n"),
    ] {
        let expected = ("_schema".to_owned(), String::new(), "entries");
        assert_eq!(failing(format, body), [expected]);
    }
    let item = r#"{"message":"a"}"#;
    for (count, fits) in [(1000, true), (1001, false)] {
        let array = format!("[{}]", vec![item; count].join(","));
        let lines = vec![item; count].join("\n");
        for (format, body) in [(BatchFormat::Json, array), (BatchFormat::Lines, lines)] {
            let parsed = parse_in(format, &body);
            assert_eq!(parsed.is_ok(), fits);
            let code = parsed.err().map(|error| error.code);
            assert_eq!(code, (!fits).then_some(Code::PayloadTooLarge));
        }
    }
}

#[test]
fn a_body_of_another_form_is_refused() {
    for body in ["{}", "1", "null"] {
        let expected = ("_schema".to_owned(), String::new(), "not-a-list");
        assert_eq!(failing(BatchFormat::Json, body), [expected]);
    }
    for body in ["", "[", "[{}", "[] []", "nope", "[nope]"] {
        let error = parse_in(BatchFormat::Json, body).unwrap_err();
        assert_eq!(error.code, Code::MalformedJson, "{body}");
    }
    let broken: [&[u8]; 3] = [
        b"{\"message\": }",
        b"{\"message\": \"\\ud800\"}",
        b"\"\xff\"",
    ];
    for line in broken {
        let lines = [b"{\"message\": \"a\"}\n\r\n", line, b"\n"].concat();
        let rules = ContentRules::default();
        let parsed = parse(BatchFormat::Lines, &lines, &rules, None, None, Vec::new());
        let error = parsed.unwrap_err();
        assert_eq!(error.code, Code::MalformedJson);
        let detail = error.detail.unwrap();
        assert_eq!(Locale::En.pick(detail.0, detail.1), "Line 3 is not JSON.");
    }
}

#[test]
fn a_batch_of_many_mistakes_names_the_first_hundred() {
    let array = format!("[{}]", vec!["{}"; 500].join(","));
    assert_eq!(failing(BatchFormat::Json, &array).len(), MAX_FIELDS);
}

#[test]
fn an_event_with_binary_data_is_named_by_its_number() {
    let events = r#"[{"specversion": "1.0", "id": "1", "source": "/", "type": "t", "data": "a"},
        {"specversion": "1.0", "id": "2", "source": "/", "type": "t", "data_base64": "aGk="}]"#;
    let error = parse_in(BatchFormat::Events, events).unwrap_err();
    assert_eq!(error.code, Code::UnsupportedMediaType);
    let detail = error.detail.unwrap();
    let detail = Locale::En.pick(detail.0, detail.1);
    assert!(detail.starts_with("Message 1: Binary data"), "{detail}");
}
