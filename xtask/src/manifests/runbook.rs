//! Checks that every alert has a section in the runbook and a rule test, and every section an alert.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Alerts without a section or a test, and sections without an alert, one line each.
pub(super) fn violations(root: &Path) -> Result<Vec<String>, String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let rules = read("deploy/prometheus/posthorn.rules.yaml")?;
    let tests = read("deploy/prometheus/posthorn.rules.test.yaml")?;
    let runbook = read("docs/RUNBOOK.md")?;
    let with =
        |text: &'static str| move |line: &str| Some(line.trim().strip_prefix(text)?.to_owned());
    let alerts: BTreeSet<String> = rules.lines().filter_map(with("- alert: ")).collect();
    let sections: BTreeSet<String> = runbook.lines().filter_map(with("## ")).collect();
    let tested: BTreeSet<String> = tests.lines().filter_map(with("alertname: ")).collect();
    let mut found: Vec<String> = Vec::new();
    found.extend(
        alerts
            .difference(&sections)
            .map(|alert| format!("{alert} has no section")),
    );
    found.extend(
        sections
            .difference(&alerts)
            .map(|section| format!("{section} is no alert")),
    );
    found.extend(
        alerts
            .difference(&tested)
            .map(|alert| format!("{alert} has no rule test")),
    );
    for alert in alerts {
        let link = format!("runbook: docs/RUNBOOK.md#{}", alert.to_lowercase());
        if !rules.contains(&link) {
            found.push(format!("{alert} does not link to its section"));
        }
    }
    Ok(found)
}
