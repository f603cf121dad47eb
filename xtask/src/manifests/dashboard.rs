//! Reads the dashboard's queries, and checks that Prometheus can parse them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::shell::output;

/// The queries of the panels.
pub(super) fn queries(root: &Path) -> Result<Vec<String>, String> {
    let dashboard = read(root)?;
    let mut queries = Vec::new();
    collect(&dashboard, &mut queries);
    Ok(queries)
}

/// Has `promtool` read every query of the dashboard, with values for Grafana's variables, and of
/// `others` as a rule.
pub(super) fn violations(root: &Path, others: &[String]) -> Result<Vec<String>, String> {
    let queries = queries(root)?.into_iter().chain(others.iter().cloned());
    let rules: Vec<Value> = queries
        .map(|query| {
            query
                .replace("$__rate_interval", "5m")
                .replace("$namespace", ".*")
                .replace("$job", ".*")
                .replace("$pod", ".*")
        })
        .enumerate()
        .map(|(index, query)| json!({"record": format!("query:{index}"), "expr": query}))
        .collect();
    if rules.is_empty() {
        return Err("the dashboard has no queries".to_owned());
    }
    let file = tempfile::NamedTempFile::with_suffix(".yaml").map_err(|error| error.to_string())?;
    // JSON is YAML.
    let group = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    fs::write(&file, group.to_string()).map_err(|error| error.to_string())?;
    let checked = output(
        Command::new("promtool")
            .args(["check", "rules"])
            .arg(file.path()),
    );
    let mut found = without_values(root)?;
    found.extend(checked.err());
    Ok(found)
}

/// Panels that would show "no data" where there is nothing to count.
fn without_values(root: &Path) -> Result<Vec<String>, String> {
    let dashboard = read(root)?;
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let silent = panels.filter(|panel| {
        panel["type"] != "row" && panel["fieldConfig"]["defaults"]["noValue"].is_null()
    });
    Ok(silent
        .map(|panel| format!("{} shows no data instead of a value", panel["title"]))
        .collect())
}

fn read(root: &Path) -> Result<Value, String> {
    let path = "deploy/grafana/posthorn.json";
    let text = fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))
}

fn collect(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" => queries.push(text.to_owned()),
                    _ => collect(value, queries),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, queries)),
        _ => {}
    }
}
