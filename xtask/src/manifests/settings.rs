//! Checks that the binary knows and accepts every setting of the manifests.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::consistency;
use crate::shell::output;

/// Settings of the manifests that the binary does not accept.
pub(super) fn refused(objects: &[Value], binary: &Path) -> Result<Vec<String>, String> {
    let Some(deployment) = objects.iter().find(|object| object["kind"] == "Deployment") else {
        return Ok(vec!["there is no Deployment".to_owned()]);
    };
    let config =
        consistency::settings(deployment, objects).ok_or("the Deployment reads no ConfigMap")?;
    let config = config
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let mut environment: BTreeMap<&str, String> = config
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    let own = deployment
        .pointer("/spec/template/spec/containers/0/env")
        .and_then(Value::as_array);
    for variable in own.into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let value = variable["value"]
            .as_str()
            .map(|text| expanded(text, &environment));
        environment.insert(name, value.unwrap_or_else(|| "0123456789abcdef".repeat(4)));
    }
    unknown(&environment, binary)
}

/// The names in `environment` that the binary does not know. An invalid value is an error.
pub(super) fn unknown(
    environment: &BTreeMap<&str, String>,
    binary: &Path,
) -> Result<Vec<String>, String> {
    let mut server = crate::binary::server(binary);
    let shown = output(server.arg("config").envs(environment))?;
    let taken = |name: &str| {
        shown
            .lines()
            .any(|line| line.split_whitespace().next() == Some(name))
    };
    // An empty variable is an unset one.
    let set = environment.iter().filter(|(_, value)| !value.is_empty());
    let unknown = set.map(|(name, _)| name).filter(|name| !taken(name));
    Ok(unknown
        .map(|name| format!("{name} is no setting"))
        .collect())
}

/// `$(NAME)` as Kubernetes replaces it.
fn expanded(text: &str, environment: &BTreeMap<&str, String>) -> String {
    environment
        .iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("$({name})"), value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_replaced_by_an_earlier_one() {
        let environment = BTreeMap::from([("REDIS_PASSWORD", "secret".to_owned())]);
        let text = "redis://:$(REDIS_PASSWORD)@posthorn-redis:6379/0";
        assert_eq!(
            expanded(text, &environment),
            "redis://:secret@posthorn-redis:6379/0"
        );
    }
}
