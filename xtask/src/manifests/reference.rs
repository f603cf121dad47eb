//! Writes or compares `docs/METRICS.md`: every metric that a live server declares, with its labels.

use std::fs;
use std::path::Path;

use super::live::{Exported, Samples};

const PATH: &str = "docs/METRICS.md";
const HEAD: &str = "# Metrics

Everything at `/metrics`, in the OpenMetrics format or, for older readers, in the text format 0.0.4 of
Prometheus. The page is generated from a live server by `cargo xtask manifests --fix`. Labels have bounded sets
of values: a path is the template of its route, and consumers beyond `MAX_CONSUMER_SERIES` are summed up as
`other`. [The alerts](../deploy/prometheus/posthorn.rules.yaml) and
[the dashboard](../deploy/grafana/posthorn.json) use these names, and no others.

A histogram has `_bucket` (with the label `le`), `_sum` and `_count`. In OpenMetrics a counter is declared without the
`_total` of its samples.

| metric | type | unit | labels | meaning |
| --- | --- | --- | --- | --- |
";

/// Reports that the page is out of date, or with `fix` writes it.
pub(super) fn check(root: &Path, exported: &Exported, fix: bool) -> Result<Vec<String>, String> {
    let wanted = page(exported)?;
    if fs::read_to_string(root.join(PATH)).ok().as_ref() == Some(&wanted) {
        return Ok(Vec::new());
    }
    if !fix {
        return Ok(vec![format!(
            "{PATH} is out of date: cargo xtask manifests --fix"
        )]);
    }
    fs::write(root.join(PATH), wanted).map_err(|error| format!("{PATH}: {error}"))?;
    Ok(Vec::new())
}

fn page(exported: &Exported) -> Result<String, String> {
    let mut rows = Vec::new();
    let lines = || exported.text.lines();
    for line in lines() {
        let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let comment = |kind: &str| {
            let start = format!("# {kind} {name} ");
            lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned))
        };
        let meaning = comment("HELP").ok_or_else(|| format!("{name} has no meaning"))?;
        let base = name.strip_suffix("_total").unwrap_or(name);
        let unit = ["seconds", "bytes"]
            .into_iter()
            .find(|unit| base.ends_with(&format!("_{unit}")))
            .unwrap_or_default();
        let labels = labels(&exported.samples, name)
            .ok_or_else(|| format!("{name}: the live server shows no sample of it"))?;
        rows.push(format!(
            "| `{name}` | {kind} | {unit} | {labels} | {meaning} |\n"
        ));
    }
    rows.sort();
    // Most metrics are those of every server.
    rows.dedup();
    Ok(format!("{HEAD}{}", rows.concat()))
}

/// The labels of the samples of the metric `name`; `None` without a sample.
fn labels(samples: &Samples, name: &str) -> Option<String> {
    let suffixes = ["", "_count"];
    let found = suffixes
        .iter()
        .find_map(|suffix| samples.get(&format!("{name}{suffix}")))?;
    let labels: Vec<String> = found.keys().map(|label| format!("`{label}`")).collect();
    Some(labels.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn a_metric_has_a_row() {
        let text = "# HELP app_a_total Things.\n# TYPE app_a_total counter\n".to_owned();
        let label = BTreeMap::from([("kind".to_owned(), BTreeSet::new())]);
        let samples = Samples::from([("app_a_total".to_owned(), label)]);
        let page = page(&Exported { samples, text }).unwrap();
        assert!(page.ends_with("| `app_a_total` | counter |  | `kind` | Things. |\n"));
    }

    #[test]
    fn a_metric_without_samples_is_an_error() {
        let text = "# HELP app_a_total Things.\n# TYPE app_a_total counter\n".to_owned();
        let samples = Samples::new();
        assert!(page(&Exported { samples, text }).is_err());
    }
}
