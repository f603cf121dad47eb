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
            _ => {}
        }
        for pointer in SELECTORS {
            selector(&mut found, object, pointer, objects);
        }
    }
    let denies = |object: &Value| {
        object["kind"] == "NetworkPolicy"
            && object["spec"]["podSelector"] == Value::Object(Map::new())
            && object["spec"]["policyTypes"] == serde_json::json!(["Ingress", "Egress"])
            && object["spec"]["ingress"].is_null()
            && object["spec"]["egress"].is_null()
    };
    if !objects.iter().any(denies) {
        found.push("no NetworkPolicy denies all other traffic".to_owned());
    }
    found
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
        vec![
            json!({"kind": "NetworkPolicy", "metadata": {"name": "deny"},
                "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}),
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
            "no NetworkPolicy denies all other traffic",
        );
    }
}
