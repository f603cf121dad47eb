//! Checks the values of the chart: what its schema and templates reject, and what is generated from them:
//! the names of settings in the schema, and the tables of the chart's README. Also checks that the templates
//! consider every setting that makes the server connect to an address, and have the server's default limits.

mod rejected;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::render;
use super::tools::Tools;
use crate::shell::output;
use rejected::REJECTED;

const CHART: &str = "deploy/helm/posthorn";
/// Settings that have values of their own, or come from secrets.
const OWN: [&str; 15] = [
    "DRAIN_DELAY",
    "METRICS_PORT",
    "PORT",
    "REDIS_CA_FILE",
    "REDIS_CERT_FILE",
    "REDIS_KEY_FILE",
    "REDIS_PASSWORD",
    "REDIS_URL",
    "REDIS_USERNAME",
    "SECRET_KEY",
    "SECRET_KEY_PREVIOUS",
    "SHUTDOWN_TIMEOUT",
    "STORE_REDIS_PASSWORD",
    "STORE_REDIS_USERNAME",
    "STORE_URL",
];
/// Settings with URLs to which the server does not connect.
const NOT_CONNECTED: [&str; 3] = ["CORS_ORIGINS", "FORM_REDIRECT_ORIGINS", "PUBLIC_URL"];

/// Lints the chart, and reports bad values that it renders.
pub(super) fn violations(tools: &Tools, chart: &Path) -> Result<Vec<String>, String> {
    let mut lint = Command::new(&tools.helm);
    output(lint.args(["lint", "--strict", "--quiet"]).arg(chart))?;
    let accepted = |(values, reason): &(&[&str], &str)| match render::helm(tools, chart, values) {
        Ok(_) => Some(format!("the chart accepts {}", values.join(", "))),
        Err(error) if error.contains(reason) => None,
        Err(error) => Some(format!(
            "{}: the reason is another: {error}",
            values.join(", ")
        )),
    };
    Ok(REJECTED.iter().filter_map(accepted).collect())
}

/// Settings with an address that the chart's check of the egress rules does not name, one line each.
pub(super) fn unchecked_addresses(root: &Path) -> Result<Vec<String>, String> {
    let (schema, template) = schema_and_template(root)?;
    Ok(unchecked(&schema, &template))
}

/// Rate limits whose default is another in the chart's template of `QUOTA_REPLICAS_HINT`, one line each.
pub(super) fn stale_limits(root: &Path) -> Result<Vec<String>, String> {
    let (schema, template) = schema_and_template(root)?;
    Ok(other_limits(&schema, &template))
}

/// The schema of the server's settings, and the helpers of the chart.
fn schema_and_template(root: &Path) -> Result<(Value, String), String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let schema = read("docs/posthorn.schema.json")?;
    let schema = serde_json::from_str(&schema).map_err(|error| error.to_string())?;
    Ok((schema, read(&format!("{CHART}/templates/_helpers.tpl"))?))
}

fn other_limits(schema: &Value, template: &str) -> Vec<String> {
    let settings = schema["properties"].as_object().into_iter().flatten();
    // Failed authentications are counted by each process, without a share.
    let limits = settings.filter(|(name, property)| {
        name.starts_with("rate_limit_")
            && *name != "rate_limit_auth_failures"
            && property["default"]
                .as_str()
                .is_some_and(|text| text.contains(" per "))
    });
    limits
        .map(|(name, property)| format!("\"{}\" {}", name.to_uppercase(), property["default"]))
        .filter(|pair| !template.contains(pair))
        .map(|pair| format!("the template of QUOTA_REPLICAS_HINT lacks {pair}"))
        .collect()
}

fn unchecked(schema: &Value, template: &str) -> Vec<String> {
    let settings = schema["properties"].as_object().into_iter().flatten();
    let has_address = |name: &str, property: &Value| {
        let text = property["description"].as_str().unwrap_or_default();
        !name.ends_with("_FILE")
            && (text.contains("://") || name.ends_with("_URL") || name.ends_with("_CIDRS"))
    };
    settings
        .map(|(name, property)| (name.to_uppercase(), property))
        .filter(|(name, property)| has_address(name, property))
        .filter(|(name, _)| !NOT_CONNECTED.contains(&name.as_str()))
        .filter(|(name, _)| !template.contains(&format!("\"{name}\"")))
        .map(|(name, _)| format!("{name} has an address, and the template ignores it"))
        .collect()
}

/// Reports generated parts that are out of date, or with `fix` writes them.
pub(super) fn generated(root: &Path, tools: &Tools, fix: bool) -> Result<Vec<String>, String> {
    let read = |path: &str| fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let parsed = |text: &str| serde_json::from_str::<Value>(text).map_err(|e| e.to_string());
    let mut stale = Vec::new();
    let mut check = |path: &str, old: &str, new: String| -> Result<String, String> {
        if old != new && fix {
            fs::write(root.join(path), &new).map_err(|error| format!("{path}: {error}"))?;
        } else if old != new {
            stale.push(format!(
                "{path} is out of date: cargo xtask manifests --fix"
            ));
        }
        Ok(new)
    };
    let path = format!("{CHART}/values.schema.json");
    let schema = read(&path)?;
    let names = settings(&parsed(&read("docs/posthorn.schema.json")?)?);
    let wanted = with_settings(&schema, &names).ok_or("the schema lists no settings")?;
    let schema = parsed(&check(&path, &schema, wanted)?)?;
    let values = render::objects(tools, &read(&format!("{CHART}/values.yaml"))?)?;
    let values = values.first().ok_or("values.yaml is empty")?;
    let path = format!("{CHART}/README.md");
    let readme = read(&path)?;
    let (head, _) = readme
        .split_once(HEADING)
        .ok_or("the README has no values")?;
    let mut wanted = format!("{head}{HEADING}{TABLE}");
    rows(&mut wanted, "", &schema, values)?;
    check(&path, &readme, wanted)?;
    Ok(stale)
}

const HEADING: &str = "## Values\n";
const TABLE: &str =
    "\nGenerated from `values.schema.json` and `values.yaml` by `cargo xtask manifests --fix`.\n
| value | default | meaning |\n| --- | --- | --- |\n";

/// The names of settings that `config` takes.
fn settings(schema: &Value) -> Vec<String> {
    let names = schema["properties"].as_object().into_iter().flatten();
    let names = names.map(|(name, _)| name.to_uppercase());
    let own = |name: &str| OWN.contains(&name.strip_suffix("_FILE").unwrap_or(name));
    names
        .filter(|name| !own(name) && !OWN.contains(&name.as_str()))
        .collect()
}

/// The schema with `names` in its first list after the property `config`.
fn with_settings(schema: &str, names: &[String]) -> Option<String> {
    let (head, rest) = schema.split_once("\"config\": {")?;
    let (middle, rest) = rest.split_once("\"enum\": [")?;
    let (_, tail) = rest.split_once(']')?;
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("\n              \"{name}\""))
        .collect();
    let names = names.join(",");
    Some(format!(
        "{head}\"config\": {{{middle}\"enum\": [{names}\n            ]{tail}"
    ))
}

/// Appends a row for each value below `path`.
fn rows(table: &mut String, path: &str, schema: &Value, values: &Value) -> Result<(), String> {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let text = property["description"].as_str();
        let text = text.ok_or_else(|| format!("{path} has no description"))?;
        let (mut shown, below) = (values[name].to_string(), property["properties"].is_object());
        if below {
            shown = String::new();
        } else if shown.len() > 40 {
            "see `values.yaml`".clone_into(&mut shown);
        } else {
            shown = format!("`{shown}`");
        }
        let line = format!("| `{path}` | {shown} | {} |\n", text.replace('|', "\\|"));
        table.push_str(&line);
        rows(table, &path, property, &values[name])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_has_a_row_with_its_default() {
        let schema = json!({"properties": {
            "image": {"description": "The image.", "properties": {"tag": {"description": "Its tag."}}},
            "replicas": {"description": "Pods."}}});
        let values = json!({"image": {"tag": "1"}, "replicas": 3});
        let mut table = String::new();
        rows(&mut table, "", &schema, &values).unwrap();
        let expected = "| `image` |  | The image. |\n| `image.tag` | `\"1\"` | Its tag. |\n\
            | `replicas` | `3` | Pods. |\n";
        assert_eq!(table, expected);
        let error = rows(&mut table, "", &json!({"properties": {"a": {}}}), &values);
        assert_eq!(error, Err("a has no description".to_owned()));
    }

    #[test]
    fn a_setting_with_an_address_has_to_be_in_the_template() {
        let schema = json!({"properties": {
            "webhook_proxy": {"description": "The proxy. It takes an `http://` URL."},
            "store_url": {"description": "The store."},
            "public_url": {"description": "It takes a URL such as `https://a.example`."},
            "retention_age": {"description": "An age."}}});
        let found = unchecked(&schema, r#"{{ range list "STORE_URL" }}"#);
        assert_eq!(
            found,
            ["WEBHOOK_PROXY has an address, and the template ignores it"]
        );
    }

    #[test]
    fn the_template_has_the_default_of_each_limit() {
        let schema = json!({"properties": {
            "rate_limit_read": {"default": "600 per minute"},
            "rate_limit_delete": {"default": "60 per minute"},
            "rate_limit_auth_failures": {"default": "20 per minute"},
            "rate_limit_strategy": {"default": "fixed-window"}}});
        let template =
            r#"dict "RATE_LIMIT_READ" "600 per minute" "RATE_LIMIT_DELETE" "9 per minute""#;
        let expected =
            r#"the template of QUOTA_REPLICAS_HINT lacks "RATE_LIMIT_DELETE" "60 per minute""#;
        assert_eq!(other_limits(&schema, template), [expected]);
    }

    #[test]
    fn the_schema_lists_the_settings_without_secrets() {
        let names = settings(&json!({"properties": {"retention_age": {}, "secret_key": {}}}));
        assert_eq!(names, ["RETENTION_AGE"]);
        let schema = r#"{"config": {"enum": ["OLD"], "b": []}}"#;
        let wanted = with_settings(schema, &names).unwrap();
        assert!(
            wanted.contains("RETENTION_AGE")
                && !wanted.contains("OLD")
                && wanted.ends_with(r#""b": []}}"#)
        );
    }
}
