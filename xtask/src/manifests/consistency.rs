//! Checks that the objects agree with each other.

use serde_json::{Map, Value};

use super::render::title;

/// Where the objects contradict each other, one line each.
pub(super) fn violations(objects: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for object in objects {
        match object["kind"].as_str().unwrap_or_default() {
            "Secret" => found.push(format!(
                "{}: a secret is never in the manifests",
                title(object)
            )),
            "Deployment" => {
                deployment(&mut found, object, objects);
                quota_shares(&mut found, object, objects);
            }
            "HorizontalPodAutoscaler" => target(&mut found, object, objects),
            "Namespace" => namespace(&mut found, object),
            "ServiceMonitor" => scrapes(&mut found, object),
            "StatefulSet" => memory(&mut found, object),
            _ => {}
        }
        for pointer in SELECTORS {
            selector(&mut found, object, pointer, objects);
        }
    }
    isolation(&mut found, objects);
    found
}

/// Every workload needs a policy for both directions, and no policy may select other pods.
fn isolation(found: &mut Vec<String>, objects: &[Value]) {
    let of_kind = |kinds: &'static [&str]| {
        let is = move |object: &&Value| object["kind"].as_str().is_some_and(|k| kinds.contains(&k));
        objects.iter().filter(is)
    };
    let policies = || of_kind(&["NetworkPolicy"]);
    for policy in policies() {
        let labels = policy["spec"]["podSelector"]["matchLabels"].as_object();
        if labels.is_none_or(Map::is_empty) {
            found.push(format!("{}: it selects pods of others", title(policy)));
        }
    }
    for workload in of_kind(&["Deployment", "StatefulSet"]) {
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        let isolates = |policy: &Value| {
            let wanted = policy["spec"]["podSelector"]["matchLabels"].as_object();
            policy["spec"]["policyTypes"] == serde_json::json!(["Ingress", "Egress"])
                && wanted.is_some_and(|w| w.iter().all(|(key, value)| labels[key] == *value))
        };
        if !policies().any(isolates) {
            found.push(format!("{}: no policy limits its traffic", title(workload)));
        }
    }
}

/// The operator's label `endpoint` renames that of the metrics, so every scrape has to drop it.
fn scrapes(found: &mut Vec<String>, object: &Value) {
    let endpoints = object["spec"]["endpoints"].as_array().into_iter().flatten();
    for endpoint in endpoints {
        let rules = endpoint["relabelings"].as_array().into_iter().flatten();
        let mut rules = rules.filter(|rule| rule["action"] == "labeldrop");
        let job = object["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"].as_str();
        let is_redis = job.is_some_and(|name| name.ends_with("-redis"));
        if !is_redis && !rules.any(|rule| rule["regex"] == "endpoint") {
            found.push(format!("{}: it keeps the label `endpoint`", title(object)));
        }
    }
}

/// The settings in the `ConfigMap` that `deployment` reads.
pub(super) fn settings<'a>(
    deployment: &Value,
    objects: &'a [Value],
) -> Option<&'a Map<String, Value>> {
    let pointer = "/spec/template/spec/containers/0/envFrom/0/configMapRef/name";
    let name = deployment.pointer(pointer)?;
    let map =
        |object: &&Value| object["kind"] == "ConfigMap" && object["metadata"]["name"] == *name;
    objects.iter().find(map)?["data"].as_object()
}

/// The selectors of pods, but those of network policies' peers.
const SELECTORS: [&str; 4] = [
    "/spec/selector/matchLabels",
    "/spec/podSelector/matchLabels",
    "/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels",
    "/spec/template/spec/topologySpreadConstraints/1/labelSelector/matchLabels",
];

fn deployment(found: &mut Vec<String>, object: &Value, objects: &[Value]) {
    let title = title(object);
    if object["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] != 0 {
        found.push(format!(
            "{title}: a rollout may take pods away before it adds them"
        ));
    }
    let seconds = |name: &str| {
        let text = settings(object, objects)?.get(name)?.as_str()?;
        text.strip_suffix('s')?.parse::<u64>().ok()
    };
    let Some(wanted) = seconds("DRAIN_DELAY").zip(seconds("SHUTDOWN_TIMEOUT")) else {
        found.push(format!(
            "{title}: DRAIN_DELAY and SHUTDOWN_TIMEOUT are not given in seconds"
        ));
        return;
    };
    // Five more, to close the store.
    let wanted = wanted.0 + wanted.1 + 5;
    let grace = &object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
    if *grace != wanted {
        found.push(format!(
            "{title}: the grace period is {grace} s, the shutdown needs {wanted} s"
        ));
    }
}

/// The pods that share the quotas must be as many as the autoscaler, or else the Deployment, keeps.
fn quota_shares(found: &mut Vec<String>, object: &Value, objects: &[Value]) {
    let scaler = objects
        .iter()
        .find(|each| each["kind"] == "HorizontalPodAutoscaler");
    let pods = scaler.map_or(
        &object["spec"]["replicas"],
        |each| &each["spec"]["minReplicas"],
    );
    let hint = settings(object, objects).and_then(|settings| settings.get("QUOTA_REPLICAS_HINT"));
    let hint = hint.and_then(Value::as_str).unwrap_or("1");
    if hint.parse().ok() != pods.as_u64() {
        found.push(format!(
            "{}: QUOTA_REPLICAS_HINT is {hint}, there are {pods} pods",
            title(object)
        ));
    }
}

/// The data of Redis needs a limit that leaves as much memory for the fork of a rewrite.
fn memory(found: &mut Vec<String>, object: &Value) {
    let containers = object.pointer("/spec/template/spec/containers");
    let mut containers = containers.and_then(Value::as_array).into_iter().flatten();
    let Some(redis) = containers.find(|each| each["name"] == "redis") else {
        return;
    };
    let env = redis["env"].as_array().into_iter().flatten();
    let data = env.filter(|each| each["name"] == "MAXMEMORY");
    let mut data = data.filter_map(|each| each["value"].as_str()?.parse::<u64>().ok());
    let limit = redis["resources"]["limits"]["memory"]
        .as_str()
        .and_then(bytes);
    let script = redis["args"].to_string();
    let is_limited = data
        .next_back()
        .zip(limit)
        .is_some_and(|(data, limit)| 2 * data <= limit);
    if !is_limited || !script.contains("maxmemory $MAXMEMORY") {
        found.push(format!(
            "{}: a rewrite of its file may need more than the memory limit",
            title(object)
        ));
    }
}

/// A quantity of memory in bytes.
fn bytes(text: &str) -> Option<u64> {
    let units = [("Gi", 1 << 30), ("Mi", 1 << 20)];
    let (number, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
    Some(number.parse::<u64>().ok()? * unit)
}

fn target(found: &mut Vec<String>, object: &Value, objects: &[Value]) {
    let wanted = &object["spec"]["scaleTargetRef"];
    let is_target = |each: &&Value| {
        each["kind"] == wanted["kind"] && each["metadata"]["name"] == wanted["name"]
    };
    match objects.iter().find(is_target) {
        None => found.push(format!("{}: its target is not there", title(object))),
        Some(target) if !target["spec"]["replicas"].is_null() => {
            found.push(format!(
                "{}: `replicas` would undo the scaling",
                title(target)
            ));
        }
        Some(_) => {}
    }
}

fn namespace(found: &mut Vec<String>, object: &Value) {
    for mode in ["enforce", "audit", "warn"] {
        let label = format!("pod-security.kubernetes.io/{mode}");
        if object["metadata"]["labels"][&label] != "restricted" {
            found.push(format!("{}: {label} is not restricted", title(object)));
        }
    }
}

/// Every selector must select something.
fn selector(found: &mut Vec<String>, object: &Value, pointer: &str, objects: &[Value]) {
    let service = object["kind"] == "Service";
    let pointer = if service && pointer == SELECTORS[0] {
        "/spec/selector"
    } else {
        pointer
    };
    let Some(wanted) = object.pointer(pointer).and_then(Value::as_object) else {
        return;
    };
    if wanted.is_empty() || service && pointer != "/spec/selector" {
        return;
    }
    // A ServiceMonitor selects Services, everything else pods.
    let labels = |each: &Value| match object["kind"].as_str() {
        Some("ServiceMonitor") if each["kind"] == "Service" => each["metadata"]["labels"].clone(),
        Some("ServiceMonitor") => Value::Null,
        _ => each["spec"]["template"]["metadata"]["labels"].clone(),
    };
    let selected = objects.iter().map(labels).any(|labels| {
        labels.is_object() && wanted.iter().all(|(key, value)| labels[key] == *value)
    });
    if !selected {
        found.push(format!("{}: {pointer} selects nothing", title(object)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects() -> Vec<Value> {
        let labels = json!({"app.kubernetes.io/name": "posthorn"});
        let redis = json!({"app.kubernetes.io/name": "posthorn-redis"});
        vec![
            json!({"kind": "NetworkPolicy", "metadata": {"name": "posthorn"}, "spec": {
                "podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"]}}),
            json!({"kind": "ConfigMap", "metadata": {"name": "settings"},
                "data": {"DRAIN_DELAY": "10s", "SHUTDOWN_TIMEOUT": "25s",
                    "QUOTA_REPLICAS_HINT": "3"}}),
            json!({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "posthorn"}, "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "posthorn"}, "minReplicas": 3}}),
            json!({"kind": "Service", "metadata": {"name": "posthorn", "labels": labels},
                "spec": {"selector": labels}}),
            json!({"kind": "Deployment", "metadata": {"name": "posthorn"}, "spec": {
                "selector": {"matchLabels": labels},
                "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
                "template": {"metadata": {"labels": labels}, "spec": {
                    "terminationGracePeriodSeconds": 40,
                    "containers": [{"envFrom": [{"configMapRef": {"name": "settings"}}]}],
                }},
            }}),
            json!({"kind": "ServiceMonitor", "metadata": {"name": "posthorn"}, "spec": {
                "selector": {"matchLabels": labels},
                "endpoints": [{"relabelings": [{"action": "labeldrop", "regex": "endpoint"}]}]}}),
            json!({"kind": "StatefulSet", "metadata": {"name": "redis"}, "spec": {"template": {
                "metadata": {"labels": redis},
                "spec": {"containers": [{
                    "name": "redis", "args": ["maxmemory $MAXMEMORY"],
                    "env": [{"name": "MAXMEMORY", "value": "1073741824"}],
                    "resources": {"limits": {"memory": "2Gi"}}}]}}}}),
            json!({"kind": "NetworkPolicy", "metadata": {"name": "redis"}, "spec": {
                "podSelector": {"matchLabels": redis}, "policyTypes": ["Ingress", "Egress"]}}),
        ]
    }

    #[test]
    fn objects_that_agree_break_nothing() {
        assert_eq!(violations(&objects()), Vec::<String>::new());
    }

    /// Puts `value` at `pointer` of the object at `index` and expects the one violation.
    #[track_caller]
    fn check(index: usize, pointer: &str, value: Value, violation: &str) {
        let mut objects = objects();
        *objects[index].pointer_mut(pointer).unwrap() = value;
        assert_eq!(violations(&objects), [violation]);
    }

    #[test]
    fn each_contradiction_is_found() {
        check(
            1,
            "/data/DRAIN_DELAY",
            json!("11s"),
            "Deployment/posthorn: the grace period is 40 s, the shutdown needs 41 s",
        );
        check(
            2,
            "/spec/minReplicas",
            json!(4),
            "Deployment/posthorn: QUOTA_REPLICAS_HINT is 3, there are 4 pods",
        );
        check(
            3,
            "/spec/selector",
            json!({"app": "other"}),
            "Service/posthorn: /spec/selector selects nothing",
        );
        check(
            4,
            "/spec/strategy/rollingUpdate/maxUnavailable",
            json!(1),
            "Deployment/posthorn: a rollout may take pods away before it adds them",
        );
        check(
            0,
            "/spec/policyTypes",
            json!(["Ingress"]),
            "Deployment/posthorn: no policy limits its traffic",
        );
        check(
            5,
            "/spec/endpoints/0/relabelings",
            json!([]),
            "ServiceMonitor/posthorn: it keeps the label `endpoint`",
        );
        let memory = "StatefulSet/redis: a rewrite of its file may need more than the memory limit";
        let container = "/spec/template/spec/containers/0";
        for (field, value) in [
            ("env/0/value", json!("1073741825")),
            ("resources/limits/memory", Value::Null),
            ("args", json!(["redis-server"])),
        ] {
            check(6, &format!("{container}/{field}"), value, memory);
        }
    }

    #[test]
    fn a_policy_for_all_pods_is_found() {
        let mut objects = objects();
        let mut deny = objects[0].clone();
        deny["metadata"]["name"] = json!("deny");
        deny["spec"]["podSelector"] = json!({});
        objects.push(deny);
        let expected = ["NetworkPolicy/deny: it selects pods of others"];
        assert_eq!(violations(&objects), expected);
    }
}
