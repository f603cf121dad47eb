//! `If-Match` and `If-None-Match` (RFC 9110, 13.1) on a resource whose `ETag` is that of its settings.

use actix_web::http::header::{self, HeaderMap, HeaderName};
use posthorn_application::Precondition;
use posthorn_domain::SettingsTag;

/// The state of the resource that the client expects. What is not a tag of ours matches nothing, and
/// neither does a weak one: `If-Match` compares strongly.
pub(crate) fn of(headers: &HeaderMap) -> Precondition {
    let wanted = items(headers, &header::IF_MATCH);
    let unwanted = items(headers, &header::IF_NONE_MATCH);
    let is_any = |items: &[String]| items.iter().any(|item| item == "*");
    match (wanted, unwanted) {
        // No resource exists and does not.
        (Some(_), Some(unwanted)) if is_any(&unwanted) => Precondition::Matches(Vec::new()),
        (Some(wanted), _) if is_any(&wanted) => Precondition::Exists,
        (Some(wanted), _) => {
            let tags = wanted.iter().filter_map(|item| {
                let tag = item.strip_prefix('"')?.strip_suffix('"')?;
                SettingsTag::parse(tag)
            });
            Precondition::Matches(tags.collect())
        }
        (None, Some(unwanted)) if is_any(&unwanted) => Precondition::Absent,
        (None, _) => Precondition::None,
    }
}

/// The `ETag` of settings.
pub(crate) fn entity_tag(tag: SettingsTag) -> String {
    format!("\"{tag}\"")
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

    #[track_caller]
    fn check(given: &[(HeaderName, &str)], expected: Precondition) {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(of(&headers), expected, "{given:?}");
    }

    #[test]
    fn headers_become_preconditions() {
        let tag = SettingsTag::from_bytes([7; SettingsTag::LENGTH]);
        let quoted = entity_tag(tag);
        let weak = format!("W/{quoted}");
        let list = format!("\"other\", {quoted}");
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
            &[(wanted, "*"), (unwanted, "*")],
            Precondition::Matches(vec![]),
        );
    }
}
