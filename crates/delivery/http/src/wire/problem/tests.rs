//! Snapshots of every problem document in both languages: the texts are part of the interface.

use super::*;

/// The document of `error` on a legacy path, as it is sent.
fn document(error: &ApiError, locale: Locale) -> String {
    let problem = error.problem(
        "request-1",
        locale,
        &PublicUrl::default(),
        "/api/message",
        true,
    );
    serde_json::to_string_pretty(&problem).unwrap()
}

#[track_caller]
fn check(name: &str, locale: Locale, errors: &[ApiError]) {
    let documents: Vec<_> = errors.iter().map(|error| document(error, locale)).collect();
    insta::assert_snapshot!(
        format!("{name}_{}", locale.as_str()),
        documents.join("\n\n")
    );
}

#[test]
fn every_code_has_a_document_in_each_language() {
    let errors = Code::ALL.map(ApiError::new);
    for locale in [Locale::Ru, Locale::En] {
        check("codes", locale, &errors);
    }
}

#[test]
fn every_field_code_has_a_text_in_each_language() {
    let fields = [
        ("message", FieldCode::Required),
        ("message", FieldCode::Null),
        ("message", FieldCode::NotAString),
        ("attributes", FieldCode::NotAnObject),
        ("_schema", FieldCode::InvalidType),
        ("foo", FieldCode::Unknown),
        ("message", FieldCode::Duplicate),
        ("message", FieldCode::Length { min: 1, max: 1000 }),
        ("message", FieldCode::ControlCharacter),
        ("message", FieldCode::Charset),
        ("topic", FieldCode::TopicPattern),
        ("topic", FieldCode::TopicMismatch),
        ("attributes", FieldCode::TooMany { max: 16 }),
        ("attributes.K", FieldCode::KeyPattern),
        ("Idempotency-Key", FieldCode::IdempotencyKey),
        ("after", FieldCode::MessageId),
        ("limit", FieldCode::Range { min: 1, max: 200 }),
        ("order", FieldCode::Choice("asc, desc")),
        ("after", FieldCode::Excludes("before")),
        ("lease_seconds", FieldCode::NotANumber),
        ("leases", FieldCode::NotAList),
        (
            "lease_seconds",
            FieldCode::Seconds {
                min: 1,
                max: 43_200,
            },
        ),
        ("leases", FieldCode::Entries { max: 200 }),
        ("start", FieldCode::Position),
        ("to", FieldCode::PositionAhead),
        ("reason", FieldCode::AnyControlCharacter),
    ];
    let fields = fields.map(|(field, code)| FieldProblem::new(field, code));
    let error = ApiError::validation(fields.to_vec());
    for locale in [Locale::Ru, Locale::En] {
        check("fields", locale, std::slice::from_ref(&error));
    }
}

#[test]
fn special_errors_have_documents_in_each_language() {
    let exceeded = Exceeded {
        violated: vec!["default-per-hour".to_owned()],
        policy: "default-per-hour".to_owned(),
        limit: "50 per hour".to_owned(),
        seconds: 12,
    };
    let errors = [
        ApiError::rate_limited(exceeded),
        ApiError::head_too_large(),
        ApiError::target_too_long(),
        ApiError::too_slow(),
    ];
    for locale in [Locale::Ru, Locale::En] {
        check("special", locale, &errors);
    }
}
