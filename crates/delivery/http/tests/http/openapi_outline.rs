//! A snapshot of what the OpenAPI document promises: operations with their parameters, bodies and responses, and the
//! members of the schemas. The whole document is `docs/openapi.json`, which `cargo xtask openapi --check` compares.

use std::fmt::Write;

use serde_json::{Map, Value};

#[test]
fn the_outline_of_the_document_is_as_reviewed() {
    let document: Value = serde_json::from_str(&posthorn_http::openapi_json()).unwrap();
    let mut outline = String::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in item.as_object().unwrap() {
            outline += &outline_of(&method.to_uppercase(), path, operation);
        }
    }
    for (name, schema) in members(&document["components"]["schemas"]) {
        writeln!(outline, "{name}: {}", shape(schema)).unwrap();
    }
    insta::assert_snapshot!(outline);
}

fn outline_of(method: &str, path: &str, operation: &Value) -> String {
    let mut outline = format!("{method} {path}\n");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (place, name) = (text(&parameter["in"]), text(&parameter["name"]));
        let shape = shape(&parameter["schema"]);
        writeln!(outline, "  {place} {name}: {shape}").unwrap();
    }
    for (media_type, body) in members(&operation["requestBody"]["content"]) {
        writeln!(outline, "  body {media_type}: {}", shape(&body["schema"])).unwrap();
    }
    for (status, response) in members(&operation["responses"]) {
        let bodies = members(&response["content"])
            .map(|(media_type, body)| format!(" {media_type}: {}", shape(&body["schema"])));
        writeln!(outline, "  {status}{}", bodies.collect::<String>()).unwrap();
    }
    outline + "\n"
}

/// A schema in one line: a reference, or types and members.
fn shape(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap().to_owned();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        kind => text(kind).to_owned(),
    };
    let required = schema["required"].as_array();
    let properties = members(&schema["properties"]).map(|(name, property)| {
        let is_required = required.is_some_and(|names| names.iter().any(|other| other == name));
        let mark = if is_required { "" } else { "?" };
        format!("\n  {name}{mark}: {}", shape(property))
    });
    let variants = ["oneOf", "anyOf", "allOf"].iter().filter_map(|name| {
        let variants = schema[*name].as_array()?.iter().map(shape);
        Some(format!(
            " {name} {}",
            variants.collect::<Vec<_>>().join(", ")
        ))
    });
    let items = schema
        .get("items")
        .map(|items| format!(" of {}", shape(items)));
    let values = schema.get("enum").map(|values| format!(" {values}"));
    let parts = variants.chain(items).chain(values).chain(properties);
    kind + &parts.collect::<String>()
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
