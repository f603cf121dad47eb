//! The chart and the production overlay must give the same objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::render::title;

/// Labels and annotations that only Helm sets.
const OF_HELM: [&str; 3] = [
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
    "checksum/config",
];

/// Where the two differ, one line each.
pub(super) fn differences(overlay: &[Value], chart: &[Value]) -> Vec<String> {
    let overlay = by_title(overlay);
    let chart = by_title(chart);
    let titles: BTreeSet<_> = overlay.keys().chain(chart.keys()).collect();
    let mut found = Vec::new();
    for title in titles {
        match (overlay.get(title), chart.get(title)) {
            (Some(left), Some(right)) => compare(&mut found, title, left, right),
            (Some(_), None) => found.push(format!("{title} is not in the chart")),
            (None, _) => found.push(format!("{title} is in the chart only")),
        }
    }
    found
}

/// The objects without the fields that each tool adds.
fn by_title(objects: &[Value]) -> BTreeMap<String, Value> {
    let hashed = hashed_names(objects);
    let objects = objects
        .iter()
        .filter(|object| object["kind"] != "Namespace" && !is_hook(object));
    objects
        .map(|object| {
            let object = normalised(object, &hashed);
            (title(&object), object)
        })
        .collect()
}

/// The names of generated `ConfigMap`s, which end in a hash of ten characters, and what they are
/// without it.
fn hashed_names(objects: &[Value]) -> BTreeMap<&str, &str> {
    let maps = objects
        .iter()
        .filter(|object| object["kind"] == "ConfigMap");
    let names = maps.filter_map(|object| object["metadata"]["name"].as_str());
    names
        .filter_map(|name| {
            let (plain, hash) = name.rsplit_once('-')?;
            (hash.len() == 10).then_some((name, plain))
        })
        .collect()
}

/// True for the objects of `helm test`.
fn is_hook(object: &Value) -> bool {
    !object["metadata"]["annotations"]["helm.sh/hook"].is_null()
}

fn normalised(value: &Value, hashed: &BTreeMap<&str, &str>) -> Value {
    match value {
        Value::String(text) => match hashed.get(text.as_str()) {
            Some(plain) => Value::String((*plain).to_owned()),
            None => Value::String(text.trim_end().to_owned()),
        },
        Value::Array(values) => values.iter().map(|each| normalised(each, hashed)).collect(),
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter(|(key, _)| !OF_HELM.contains(&key.as_str()));
            let fields = kept.map(|(key, value)| (key.clone(), normalised(value, hashed)));
            // Helm gives the namespace to the API server, kustomize writes it into each object.
            let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
            fields
                .filter(|(key, value)| {
                    key != "namespace" && !(key == "annotations" && empty(value))
                })
                .collect()
        }
        other => other.clone(),
    }
}

fn compare(found: &mut Vec<String>, path: &str, left: &Value, right: &Value) {
    match (left, right) {
        (Value::Object(l), Value::Object(r)) => {
            let keys: BTreeSet<_> = l.keys().chain(r.keys()).collect();
            for key in keys {
                compare(found, &format!("{path}.{key}"), &left[key], &right[key]);
            }
        }
        (Value::Array(l), Value::Array(r)) if l.len() == r.len() => {
            for (index, (left, right)) in l.iter().zip(r).enumerate() {
                compare(found, &format!("{path}[{index}]"), left, right);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{path}: the overlay has {left}, the chart {right}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_each_tool_adds_by_itself_is_no_difference() {
        let overlay = [
            json!({"kind": "Namespace", "metadata": {"name": "posthorn"}}),
            json!({"kind": "ConfigMap", "metadata": {"name": "posthorn-24k788522c", "namespace": "posthorn"}}),
            json!({"kind": "Deployment", "metadata": {"name": "posthorn"},
                "spec": {"configMap": "posthorn-24k788522c"}}),
        ];
        let chart = [
            json!({"kind": "ConfigMap", "metadata": {"name": "posthorn"}}),
            json!({"kind": "Deployment",
                "metadata": {"name": "posthorn", "annotations": {"checksum/config": "1"}},
                "spec": {"configMap": "posthorn"}}),
        ];
        assert_eq!(differences(&overlay, &chart), Vec::<String>::new());
    }

    #[test]
    fn another_value_and_another_object_are_differences() {
        let object = |kind: &str, port: u16| json!({"kind": kind, "metadata": {"name": "a"}, "ports": [port]});
        let overlay = [object("Service", 80), object("Ingress", 1)];
        let chart = [object("Service", 81), object("Job", 1)];
        let expected = [
            "Ingress/a is not in the chart",
            "Job/a is in the chart only",
            "Service/a.ports[0]: the overlay has 80, the chart 81",
        ];
        assert_eq!(differences(&overlay, &chart), expected);
    }
}
