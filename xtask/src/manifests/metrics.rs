//! Checks that a live server exports everything that the dashboard and the rules use: every metric, every
//! label that they select or group by, and every literal value.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::dashboard;
use super::live::{self, Samples};
use super::reference;

/// Labels that Prometheus adds to all samples of a target.
const OF_TARGETS: [&str; 5] = ["instance", "job", "namespace", "pod", "service"];
/// Labels of the kubelet's metrics.
const OF_VOLUMES: [&str; 1] = ["persistentvolumeclaim"];
const OWN: [&str; 2] = ["app_", "process_"];

/// Names in the files that neither a recording rule nor a live server defines.
/// `others` are the queries outside the two files. With `fix` the reference is written, too.
pub(super) fn violations(
    root: &Path,
    binary: &Path,
    others: &[String],
    fix: bool,
) -> Result<Vec<String>, String> {
    let path = "deploy/prometheus/posthorn.rules.yaml";
    let rules = fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"))?;
    let mut expressions = dashboard::queries(root)?;
    expressions.push(rules.clone());
    // A query for one consumer names a topic and a consumer that the live server need not have.
    let others = others.iter().flat_map(|query| names(query));
    expressions.extend(others.map(str::to_owned));
    let exported = live::exported(binary)?;
    let mut found = missing(&expressions.join("\n"), &rules, &exported.samples);
    found.extend(reference::check(root, &exported, fix)?);
    Ok(found)
}

fn missing(text: &str, rules: &str, samples: &Samples) -> Vec<String> {
    let recorded: BTreeSet<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "))
        .collect();
    let mut found: BTreeSet<String> = names(text)
        .filter(|name| !samples.contains_key(*name) && !recorded.contains(name))
        .map(|name| format!("{name}: no live server exports it"))
        .collect();
    for (name, selector) in selectors(text) {
        for matcher in selector.split(',') {
            found.extend(refuted(name, matcher.trim(), samples));
        }
    }
    let labels: BTreeSet<&str> = samples
        .values()
        .flat_map(|labels| labels.keys().map(String::as_str))
        .chain(OF_TARGETS)
        .chain(OF_VOLUMES)
        .collect();
    let unknown = groupings(text).filter(|label| !labels.contains(label));
    found.extend(unknown.map(|label| format!("grouping by {label}: no metric has that label")));
    found.into_iter().collect()
}

/// The reason why `matcher` (`label="value"`) selects nothing of the metric `name`, if so.
fn refuted(name: &str, matcher: &str, samples: &Samples) -> Option<String> {
    let labels = samples.get(name)?;
    let (label, _) = matcher.split_once(['=', '!'])?;
    if OF_TARGETS.contains(&label) {
        return None;
    }
    let Some(values) = labels.get(label) else {
        return Some(format!("{name}: it has no label {label}"));
    };
    let operator_and_value = matcher.strip_prefix(label)?;
    let (operator, quoted) = operator_and_value.split_once('"')?;
    let wanted = quoted.trim_end_matches('"');
    // The rule tests check patterns that are more than a choice of words.
    let pattern = operator == "=~" && wanted.contains(['.', '*', '[', '(', '+', '?']);
    if operator.starts_with('!') || pattern {
        return None;
    }
    let seen = match operator {
        "=" => values.contains(wanted),
        _ => wanted.split('|').any(|word| values.contains(word)),
    };
    (!seen).then(|| format!("{name}: {matcher} selects nothing of {values:?}"))
}

/// The names of Posthorn's own metrics and recordings.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| is_own(word) || word.starts_with("posthorn:"))
}

fn is_own(name: &str) -> bool {
    OWN.iter().any(|prefix| name.starts_with(prefix))
}

/// The names of Posthorn's own metrics, each with the content of the braces after it.
fn selectors(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let part = |(before, after): (&'_ str, &'_ str)| -> Option<(usize, usize)> {
        let name = before
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .next()?;
        Some((name.len(), after.find('}')?))
    };
    text.match_indices('{').filter_map(move |(at, brace)| {
        let (before, after) = (text.get(..at)?, text.get(at + brace.len()..)?);
        let (name, end) = part((before, after))?;
        let name = before.get(at - name..)?;
        is_own(name).then_some((name, after.get(..end)?))
    })
}

/// The labels in `by (…)` and `on (…)`.
fn groupings(text: &str) -> impl Iterator<Item = &str> {
    let lists = ["by (", "on ("]
        .into_iter()
        .flat_map(|word| text.split(word).skip(1));
    let lists = lists.filter_map(|rest| rest.split_once(')').map(|(list, _)| list));
    lists
        .flat_map(|list| list.split(',').map(str::trim))
        .filter(|label| *label != "le")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Samples {
        let label = |name: &str, value: &str| (name.to_owned(), BTreeSet::from([value.to_owned()]));
        Samples::from([
            (
                "app_requests_total".to_owned(),
                [label("status", "503")].into(),
            ),
            (
                "app_store_count".to_owned(),
                [label("outcome", "unavailable")].into(),
            ),
        ])
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(
            missing(text, "- record: posthorn:a:b", &samples()),
            expected,
            "{text}"
        );
    }

    #[test]
    fn what_a_server_exports_is_no_finding() {
        check(
            "sum by (status, pod) (rate(app_requests_total{job=\"x\",status=~\"5..\"}[5m]))",
            &[],
        );
        check(
            "app_store_count{outcome=~\"full|unavailable\"} > posthorn:a:b",
            &[],
        );
    }

    #[test]
    fn a_misspelt_metric_is_found() {
        check(
            "app_request_total",
            &["app_request_total: no live server exports it"],
        );
        check("posthorn:a:c", &["posthorn:a:c: no live server exports it"]);
    }

    #[test]
    fn a_misspelt_label_is_found() {
        check(
            "app_requests_total{state=\"503\"}",
            &["app_requests_total: it has no label state"],
        );
        check(
            "sum by (state) (app_requests_total)",
            &["grouping by state: no metric has that label"],
        );
    }

    #[test]
    fn a_value_that_never_comes_is_found() {
        check(
            "app_store_count{outcome=~\"failed|broken\"}",
            &["app_store_count: outcome=~\"failed|broken\" selects nothing of {\"unavailable\"}"],
        );
    }
}
