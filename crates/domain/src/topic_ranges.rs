//! The names that topics can have in order to match patterns, as ranges in which a store can search.

use std::ops::Range;

use crate::scope::TopicPattern;
use crate::topic::Topic;

/// Behind every character of a name.
const END: char = '\u{7f}';

/// Ranges of names by their bytes, sorted and disjoint, none of them empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRanges(Vec<Range<String>>);

impl TopicRanges {
    /// Every name.
    pub fn all() -> Self {
        Self(vec![String::new()..END.to_string()])
    }

    /// Every name behind `after`; from the first if `None`.
    pub fn all_after(after: Option<&Topic>) -> Self {
        match after {
            Some(after) => Self::all().after(after),
            None => Self::all(),
        }
    }

    /// The ranges that contain every name that matches one of `patterns`: a name, or the names with a prefix. If a `*` is
    /// not at the end of its pattern, they also contain names that do not match.
    pub fn covering(patterns: &[TopicPattern]) -> Self {
        let mut ranges: Vec<_> = patterns.iter().map(range).collect();
        ranges.sort_by(|a, b| a.start.cmp(&b.start));
        let mut merged: Vec<Range<String>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => {
                    if last.end < range.end {
                        last.end = range.end;
                    }
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// The part of the ranges that is behind `name`.
    #[must_use]
    pub fn after(mut self, name: &Topic) -> Self {
        let start = successor(name.as_str());
        self.0.retain(|range| range.end > start);
        if let Some(first) = self.0.first_mut()
            && first.start < start
        {
            first.start = start;
        }
        self
    }

    /// The ranges, in the order of names.
    pub fn as_slice(&self) -> &[Range<String>] {
        &self.0
    }

    /// True if a range contains `name`.
    pub fn contains(&self, name: &Topic) -> bool {
        let name = name.as_str();
        let mut ranges = self.0.iter();
        ranges.any(|range| range.start.as_str() <= name && name < range.end.as_str())
    }
}

/// The names that begin as `pattern` does up to its first `*`; without one, its name.
fn range(pattern: &TopicPattern) -> Range<String> {
    match pattern.as_str().split_once('*') {
        Some((prefix, _)) => prefix.to_owned()..format!("{prefix}{END}"),
        None => pattern.as_str().to_owned()..successor(pattern.as_str()),
    }
}

/// The first text behind `name`.
fn successor(name: &str) -> String {
    format!("{name}\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(patterns: &[&str]) -> TopicRanges {
        let patterns = patterns.iter().map(|text| TopicPattern::parse(text));
        TopicRanges::covering(&patterns.collect::<Result<Vec<_>, _>>().unwrap())
    }

    fn topic(name: &str) -> Topic {
        Topic::parse(name).unwrap()
    }

    #[track_caller]
    fn check(ranges: &TopicRanges, expected: &[&str]) {
        let names = ["a", "a-", "a.b", "ab", "abc", "b", "b.c", "c", "zzz"];
        let contained: Vec<_> = names
            .into_iter()
            .filter(|name| ranges.contains(&topic(name)))
            .collect();
        assert_eq!(contained, expected, "{ranges:?}");
    }

    #[test]
    fn names_and_prefixes_are_merged_and_nothing_else_is_covered() {
        check(
            &TopicRanges::all(),
            &["a", "a-", "a.b", "ab", "abc", "b", "b.c", "c", "zzz"],
        );
        check(&ranges(&[]), &[]);
        check(&ranges(&["b", "a"]), &["a", "b"]);
        check(&ranges(&["ab*", "zzz", "abc", "ab"]), &["ab", "abc", "zzz"]);
        check(
            &ranges(&["a*c", "b.*"]),
            &["a", "a-", "a.b", "ab", "abc", "b.c"],
        );
        assert_eq!(ranges(&["*", "a", "b*"]), TopicRanges::all());
        assert_eq!(ranges(&["a", "a*", "a.*"]), ranges(&["a*"]));
    }

    #[test]
    fn a_search_continues_behind_a_name() {
        let some = ranges(&["a", "ab*", "c"]);
        check(&some.clone().after(&topic("a")), &["ab", "abc", "c"]);
        check(&some.clone().after(&topic("ab")), &["abc", "c"]);
        check(&some.clone().after(&topic("b")), &["c"]);
        check(&some.clone().after(&topic("0")), &["a", "ab", "abc", "c"]);
        assert!(some.after(&topic("c")).as_slice().is_empty());
    }
}
