//! Checks that the chart's values reach the objects that they are for, in sets that render together.

mod derived;
mod network;
mod table;

use std::path::Path;

use serde_json::{Value, json};

use super::render::{self, title};
use super::tools::Tools;
use derived::DERIVED;
use network::NETWORK;
use table::{Field, VARIANTS};

const POD: &str = "/spec/template/spec";

/// Fields that differ from what the values say, one line each.
pub(super) fn violations(tools: &Tools, chart: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for variant in VARIANTS.iter().chain(&NETWORK).chain(&DERIVED) {
        let objects = render::helm(tools, chart, variant.values)?;
        found.extend(
            variant
                .fields
                .iter()
                .filter_map(|field| difference(&objects, field)),
        );
        found.extend(objects.iter().filter_map(label));
        if variant.values.contains(&"commonLabels.team=mail") {
            found.extend(objects.iter().filter_map(common));
        }
    }
    found.extend(version(tools, chart)?);
    Ok(found)
}

fn difference(objects: &[Value], (name, pointer, wanted): &Field) -> Option<String> {
    let object = objects.iter().find(|object| title(object) == **name);
    let value = object.and_then(|object| match pointer.strip_prefix("env:") {
        Some(variable) => {
            let env = object.pointer(&format!("{POD}/containers/0/env"));
            let mut env = env.and_then(Value::as_array).into_iter().flatten();
            Some(&env.find(|each| each["name"] == variable)?["value"])
        }
        None => object.pointer(pointer),
    });
    let shown = value.map(Value::to_string).unwrap_or_default();
    (shown != **wanted).then(|| format!("{name}{pointer} is {shown}, and not {wanted}"))
}

/// The common label and annotation have to be on every object.
fn common(object: &Value) -> Option<String> {
    let metadata = &object["metadata"];
    let has = metadata["labels"]["team"] == "mail" && metadata["annotations"]["a"] == "b";
    (!has).then(|| format!("{} lacks common labels or annotations", title(object)))
}

/// The label of the chart has to be one.
fn label(object: &Value) -> Option<String> {
    let label = object["metadata"]["labels"]["helm.sh/chart"]
        .as_str()
        .unwrap_or_default();
    let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let is_valid = label.len() <= 63
        && label
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && is_edge(label.chars().next())
        && is_edge(label.chars().last());
    (!is_valid).then(|| format!("{}: {label:?} is no label", title(object)))
}

/// Renders a copy of the chart whose version has a `+`.
fn version(tools: &Tools, chart: &Path) -> Result<Vec<String>, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let copy = directory.path().join("posthorn");
    let mut cp = std::process::Command::new("cp");
    crate::shell::output(cp.arg("-r").arg(chart).arg(&copy))?;
    let path = copy.join("Chart.yaml");
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let text = text.replace("\nversion: ", "\nversion: 1.2.3+build.4 # ");
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let objects = render::helm(tools, &copy, &[])?;
    let wanted = json!("posthorn-1.2.3_build.4");
    let mut found: Vec<String> = objects.iter().filter_map(label).collect();
    if objects
        .iter()
        .any(|object| object["metadata"]["labels"]["helm.sh/chart"] != wanted)
    {
        found.push("the version with a `+` does not reach the label".to_owned());
    }
    Ok(found)
}
