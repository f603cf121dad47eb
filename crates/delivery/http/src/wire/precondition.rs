//! `If-Match` and `If-None-Match` (RFC 9110, 13.1): for resources whose `ETag` is that of their settings, and
//! for messages, which never change.

use actix_web::http::header::{self, HeaderMap, HeaderName};
use posthorn_application::Precondition;
use posthorn_domain::SettingsTag;

/// The preconditions of a request on a resource that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evaluated {
    /// All of them hold.
    Holds,
    /// The client has the resource: `If-None-Match` names its tag.
    NotModified,
    /// `If-Match` does not name its tag.
    Failed,
}

/// The state of the resource that the client expects. What is not a tag of ours matches nothing;
/// `If-Match` compares strongly, so a weak tag matches nothing there either.
pub(crate) fn of(headers: &HeaderMap) -> Precondition {
    let wanted = items(headers, &header::IF_MATCH);
    let unwanted = items(headers, &header::IF_NONE_MATCH);
    let is_any = |items: &[String]| items.iter().any(|item| item == "*");
    let strong = |items: &[String]| items.iter().filter_map(|item| tag(item)).collect();
    let weak = |items: &[String]| -> Vec<SettingsTag> {
        let items = items.iter().map(|item| strength_removed(item));
        items.filter_map(tag).collect()
    };
    match (wanted, unwanted) {
        // No resource exists and does not. No client sends `*` with a list, which has to change nothing.
        (Some(wanted), Some(unwanted)) if is_any(&wanted) || is_any(&unwanted) => {
            Precondition::Matches(Vec::new())
        }
        (Some(wanted), Some(unwanted)) => {
            let unwanted = weak(&unwanted);
            let mut tags: Vec<SettingsTag> = strong(&wanted);
            tags.retain(|tag| !unwanted.contains(tag));
            Precondition::Matches(tags)
        }
        (Some(wanted), None) if is_any(&wanted) => Precondition::Exists,
        (Some(wanted), None) => Precondition::Matches(strong(&wanted)),
        (None, Some(unwanted)) if is_any(&unwanted) => Precondition::Absent,
        (None, Some(unwanted)) => Precondition::Differs(weak(&unwanted)),
        (None, None) => Precondition::None,
    }
}

/// Evaluates the preconditions on an existing resource with this `ETag`, in the order of RFC 9110, 13.2.2.
pub(crate) fn evaluate(headers: &HeaderMap, tag: &str) -> Evaluated {
    let is = |item: &str| item == tag || item == "*";
    if items(headers, &header::IF_MATCH).is_some_and(|items| !items.iter().any(|item| is(item))) {
        return Evaluated::Failed;
    }
    let unwanted = items(headers, &header::IF_NONE_MATCH).unwrap_or_default();
    if unwanted.iter().any(|item| is(strength_removed(item))) {
        return Evaluated::NotModified;
    }
    Evaluated::Holds
}

/// The `ETag` of settings.
pub(crate) fn entity_tag(tag: SettingsTag) -> String {
    format!("\"{tag}\"")
}

/// The version of settings that a strong tag names.
fn tag(item: &str) -> Option<SettingsTag> {
    SettingsTag::parse(item.strip_prefix('"')?.strip_suffix('"')?)
}

/// A tag without the mark of a weak one: `If-None-Match` compares weakly.
fn strength_removed(item: &str) -> &str {
    item.strip_prefix("W/").unwrap_or(item)
}

/// The items of a list header; `None` if it is absent.
fn items(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut lines = headers.get_all(name).peekable();
    lines.peek()?;
    let texts = lines.filter_map(|line| line.to_str().ok());
    let items = texts.flat_map(|text| text.split(','));
    Some(items.map(|item| item.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[track_caller]
    fn check(given: &[(HeaderName, &str)], expected: Precondition) {
        assert_eq!(of(&headers(given)), expected, "{given:?}");
    }

    #[test]
    fn headers_become_preconditions() {
        let tag = SettingsTag::from_bytes([7; SettingsTag::LENGTH]);
        let other = SettingsTag::from_bytes([8; SettingsTag::LENGTH]);
        let quoted = entity_tag(tag);
        let weak = format!("W/{quoted}");
        let list = format!("\"other\", {quoted}");
        let both = format!("{}, {quoted}", entity_tag(other));
        let (wanted, unwanted) = (header::IF_MATCH, header::IF_NONE_MATCH);
        check(&[], Precondition::None);
        check(&[(wanted.clone(), "*")], Precondition::Exists);
        check(&[(unwanted.clone(), "*")], Precondition::Absent);
        check(
            &[(wanted.clone(), &quoted)],
            Precondition::Matches(vec![tag]),
        );
        check(&[(wanted.clone(), &list)], Precondition::Matches(vec![tag]));
        check(&[(wanted.clone(), &weak)], Precondition::Matches(vec![]));
        check(&[(wanted.clone(), "x")], Precondition::Matches(vec![]));
        check(
            &[(unwanted.clone(), &quoted)],
            Precondition::Differs(vec![tag]),
        );
        check(
            &[(unwanted.clone(), &weak)],
            Precondition::Differs(vec![tag]),
        );
        check(&[(unwanted.clone(), "x")], Precondition::Differs(vec![]));
        check(
            &[(wanted.clone(), &both), (unwanted.clone(), &quoted)],
            Precondition::Matches(vec![other]),
        );
        for value in ["*", &quoted] {
            check(
                &[(wanted.clone(), "*"), (unwanted.clone(), value)],
                Precondition::Matches(vec![]),
            );
        }
    }

    #[test]
    fn preconditions_on_a_message_are_evaluated_in_order() {
        let (wanted, unwanted) = (&header::IF_MATCH, &header::IF_NONE_MATCH);
        for (name, value, expected) in [
            (unwanted, "\"01\"", Evaluated::NotModified),
            (unwanted, "W/\"01\"", Evaluated::NotModified),
            (unwanted, "\"00\", \"01\"", Evaluated::NotModified),
            (unwanted, "*", Evaluated::NotModified),
            (unwanted, "\"02\"", Evaluated::Holds),
            (unwanted, "01", Evaluated::Holds),
            (wanted, "\"00\", \"01\"", Evaluated::Holds),
            (wanted, "*", Evaluated::Holds),
            (wanted, "W/\"01\"", Evaluated::Failed),
            (wanted, "\"02\"", Evaluated::Failed),
            (wanted, "", Evaluated::Failed),
        ] {
            let given = headers(&[(name.clone(), value)]);
            assert_eq!(evaluate(&given, "\"01\""), expected, "{name} {value}");
        }
        let tag = "\"01\"";
        let both = |first, second| [(wanted.clone(), first), (unwanted.clone(), second)];
        for (given, expected) in [
            (both("\"02\"", tag), Evaluated::Failed),
            (both(tag, tag), Evaluated::NotModified),
        ] {
            assert_eq!(evaluate(&headers(&given), tag), expected, "{given:?}");
        }
        assert_eq!(evaluate(&HeaderMap::new(), tag), Evaluated::Holds);
    }
}
