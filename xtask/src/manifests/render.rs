//! Renders the overlays and the chart into objects.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::tools::Tools;
use crate::shell::output;

/// The objects of a kustomize overlay.
pub(super) fn kustomize(tools: &Tools, directory: &Path) -> Result<Vec<Value>, String> {
    let yaml = output(Command::new(&tools.kubectl).arg("kustomize").arg(directory))?;
    objects(tools, &yaml)
}

/// The objects of the chart, as the release `posthorn`, with `values` set: `NAME=VALUE`, or an argument
/// of `helm template` with its option, such as `--values=FILE` and `--set-json=NAME=VALUE`.
pub(super) fn helm(tools: &Tools, chart: &Path, values: &[&str]) -> Result<Vec<Value>, String> {
    let mut command = Command::new(&tools.helm);
    command
        .args(["template", "posthorn"])
        .arg(chart)
        .args(["--namespace", "posthorn"]);
    for value in values {
        if value.starts_with("--") {
            command.arg(value);
        } else {
            command.args(["--set", value]);
        }
    }
    objects(tools, &output(&mut command)?)
}

/// The documents of a YAML stream, without empty ones.
pub(super) fn objects(tools: &Tools, yaml: &str) -> Result<Vec<Value>, String> {
    // PyYAML keeps the last of equal keys, which the API server rejects.
    let script = "import json, sys, yaml
class Loader(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        if len(keys) != len(set(keys)):
            sys.exit(f'{node.start_mark}: a key is there twice: {sorted(keys)}')
        return super().construct_mapping(node, deep)
json.dump([each for each in yaml.load_all(sys.stdin, Loader) if each], sys.stdout)";
    let mut child = Command::new(tools.bin("python"))
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        // Python reads all before it writes, so neither waits for the other.
        input
            .write_all(yaml.as_bytes())
            .map_err(|error| error.to_string())?;
    }
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("no YAML: {error}"))
}

/// An object's kind and name, as `Deployment/posthorn`.
pub(super) fn title(object: &Value) -> String {
    let text = |pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("?")
    };
    format!("{}/{}", text("/kind"), text("/metadata/name"))
}
