//! Scopes and patterns, by table and against the plain definition.

use proptest::prelude::*;

use super::*;

#[test]
fn scopes_are_read_by_name_and_unknown_ones_permit_nothing() {
    let scopes = Scopes::known_in("messages:read  tokens:revoke admin messages:Read *");
    assert_eq!(scopes.to_string(), "messages:read tokens:revoke");
    assert!(scopes.contains(Scope::Read) && scopes.contains(Scope::Revoke));
    assert!(!scopes.contains(Scope::Write) && !scopes.contains(Scope::Delete));
    assert_eq!(Scopes::known_in(""), Scopes::default());
    assert!("messages:all".parse::<Scope>().is_err());
    for scope in Scope::ALL {
        assert_eq!(scope.as_str().parse(), Ok(scope));
        assert_eq!(Scopes::from_iter([scope]).to_string(), scope.as_str());
    }
}

#[track_caller]
fn check(pattern: &str, topic: &str, expected: bool) {
    let found = TopicPattern::parse(pattern).unwrap();
    let topic = Topic::parse(topic).unwrap();
    assert_eq!(found.matches(&topic), expected, "{pattern} {topic}");
}

#[test]
fn a_star_stands_for_any_characters() {
    check("*", "a", true);
    check("house", "house", true);
    check("house", "house2", false);
    check("house.*", "house.hall", true);
    check("house.*", "house.", true);
    check("house.*", "house", false);
    check("house.*", "ahouse.hall", false);
    check("*.hall", "house.hall", true);
    check("*.hall", "house.hall2", false);
    check("h*e.*l", "house.hall", true);
    check("a*a", "a", false);
    check("a*a", "aa", true);
    check("a*b*a", "aba", true);
    check("a*b*a", "aa", false);
    check("**", "a", true);
    check("a**c", "abc", true);
    // What is left after the ends must hold the parts between.
    check("ab*b*bc", "abbc", false);
    check("ab*b*bc", "abbbc", true);
}

#[test]
fn patterns_keep_to_the_characters_of_topics() {
    let parse = |text: &str| TopicPattern::parse(text).map(|pattern| pattern.to_string());
    assert_eq!(parse("*a-b_c.0"), Ok("*a-b_c.0".to_owned()));
    assert_eq!(parse(""), Err(TopicPatternError::Length));
    assert_eq!(parse(&"a".repeat(65)), Err(TopicPatternError::Length));
    for text in ["A", "a?", "[a]", "a/b", "a b", "я", "a,b"] {
        assert_eq!(parse(text), Err(TopicPatternError::Character), "{text}");
    }
}

/// The definition, in exponential time.
fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'*', after)), rest) => {
            by_definition(after, name) || rest.is_some_and(|(_, left)| by_definition(pattern, left))
        }
        (Some((wanted, after)), Some((found, left))) => {
            wanted == found && by_definition(after, left)
        }
        (Some(_), None) => false,
    }
}

proptest! {
    #[test]
    fn matching_is_as_by_the_definition(pattern in "[ab*]{1,8}", name in "[ab]{1,10}") {
        let expected = by_definition(pattern.as_bytes(), name.as_bytes());
        let found = TopicPattern::parse(&pattern).unwrap();
        prop_assert_eq!(found.matches(&Topic::parse(&name).unwrap()), expected);
    }
}
