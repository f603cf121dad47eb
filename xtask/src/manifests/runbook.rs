//! Checks that every alert has a section in the runbook and rule tests, one in which it fires and one in which it is
//! silent, every section an alert, and that the dashboard has the rows that the runbook names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

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
    found.extend(untested(&rules, &alerts, &tests));
    let described = rules.matches("\n          description: ").count();
    if described != alerts.len() {
        found.push(format!(
            "{} alerts have {described} descriptions",
            alerts.len()
        ));
    }
    let dashboard = read("deploy/grafana/posthorn.json")?;
    let dashboard = serde_json::from_str(&dashboard).map_err(|error| error.to_string())?;
    found.extend(absent_rows(&runbook, &dashboard));
    for alert in alerts {
        let link = format!(
            "runbook_url: https://runbook.example/RUNBOOK.md#{}\n",
            alert.to_lowercase()
        );
        if !rules.contains(&link) {
            found.push(format!("{alert} does not link to its section"));
        }
    }
    Ok(found)
}

/// The alerts, and the limits of `PosthornNearLimit`, without a rule test of each kind.
fn untested(rules: &str, alerts: &BTreeSet<String>, tests: &str) -> Vec<String> {
    let (mut firing, mut silent, mut alert) = (BTreeSet::new(), BTreeSet::new(), "");
    for line in tests.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("alertname: ") {
            alert = name;
        } else if line == "exp_alerts: []" {
            silent.insert(alert);
        } else if line == "exp_alerts:" {
            firing.insert(alert);
        }
    }
    let mut found = Vec::new();
    for alert in alerts.iter().map(String::as_str) {
        if !firing.contains(alert) {
            found.push(format!("{alert} has no rule test in which it fires"));
        }
        if !silent.contains(alert) {
            found.push(format!("{alert} has no rule test in which it is silent"));
        }
    }
    let limits = rules.split("\"limit\", \"").skip(1);
    let limits = limits.filter_map(|rest| rest.split_once('"').map(|(name, _)| name));
    let untested = limits.filter(|limit| !tests.contains(&format!("limit: {limit} }}")));
    found.extend(untested.map(|limit| format!("no rule test has an alert of the limit {limit}")));
    found
}

/// The rows that `runbook` names as `row *TITLE*`, and the dashboard does not have.
fn absent_rows(runbook: &str, dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let rows = panels.filter(|panel| panel["type"] == "row");
    let titles: BTreeSet<&str> = rows.filter_map(|row| row["title"].as_str()).collect();
    let named = runbook.split("ow *").skip(1);
    let named = named.filter_map(|rest| rest.split_once('*').map(|(name, _)| name));
    let absent = named.filter(|name| !titles.contains(name));
    absent
        .map(|name| format!("the dashboard has no row {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_alert_needs_a_test_of_each_kind() {
        let alerts = ["A", "B", "C"].map(str::to_owned).into();
        let rules =
            r#"label_replace(a, "limit", "MAX_A", "") or label_replace(b, "limit", "MAX_B", "")"#;
        let tests = "
            alertname: A
            exp_alerts: []
            alertname: B
            exp_alerts:
              - exp_labels: { limit: MAX_B }
            alertname: C
            exp_alerts: []
            alertname: C
            exp_alerts:";
        let expected = [
            "A has no rule test in which it fires",
            "B has no rule test in which it is silent",
            "no rule test has an alert of the limit MAX_A",
        ];
        assert_eq!(untested(rules, &alerts, tests), expected);
    }

    #[test]
    fn a_row_that_is_not_there_is_found() {
        let dashboard =
            json!({"panels": [{"type": "row", "title": "Store"}, {"title": "Streams"}]});
        let runbook = "Row *Store* shows it. See row *Streams*.";
        let expected = ["the dashboard has no row Streams"];
        assert_eq!(absent_rows(runbook, &dashboard), expected);
    }
}
