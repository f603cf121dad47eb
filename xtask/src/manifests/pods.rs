//! The rules of every workload: the restricted Pod Security Standard
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), and the house's own
//! rules on top of it.

use serde_json::Value;

use super::render::title;

/// Volumes that the restricted standard allows.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The rules that the objects' pods break, one line each.
pub(super) fn violations(objects: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for object in objects {
        if let Some(pod) = object.pointer("/spec/template/spec") {
            found.extend(
                pod_violations(pod)
                    .into_iter()
                    .map(|v| format!("{}: {v}", title(object))),
            );
        }
    }
    found
}

fn pod_violations(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["hostNetwork", "hostPID", "hostIPC"] {
        expect(&mut found, pod[name] != Value::Bool(true), || {
            format!("{name} is set")
        });
    }
    for field in ["automountServiceAccountToken", "enableServiceLinks"] {
        expect(&mut found, pod[field] == Value::Bool(false), || {
            format!("{field} is not false")
        });
    }
    for volume in list(&pod["volumes"]) {
        let kinds = volume
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str());
        for kind in kinds.filter(|kind| *kind != "name" && !VOLUMES.contains(kind)) {
            found.push(format!("a volume is a {kind}"));
        }
    }
    let sysctls = list(&pod["securityContext"]["sysctls"]).count();
    expect(&mut found, sysctls == 0, || "it sets sysctls".to_owned());
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        for container in list(&pod[kind]) {
            container_violations(&mut found, pod, container);
            content_violations(&mut found, container);
        }
    }
    found
}

/// The restricted Pod Security Standard.
fn container_violations(found: &mut Vec<String>, pod: &Value, container: &Value) {
    let name = container["name"].as_str().unwrap_or("?");
    let security = &container["securityContext"];
    // A container without the field inherits that of its pod.
    let effective = |field: &str| match &security[field] {
        Value::Null => &pod["securityContext"][field],
        value => value,
    };
    let truth = |value: &Value, wanted| *value == Value::Bool(wanted);
    let mut rule = |kept: bool, text: &str| expect(found, kept, || format!("{name}: {text}"));
    rule(!truth(&security["privileged"], true), "it is privileged");
    rule(
        truth(&security["allowPrivilegeEscalation"], false),
        "it may escalate privileges",
    );
    rule(
        truth(&security["readOnlyRootFilesystem"], true),
        "its root is writable",
    );
    rule(truth(effective("runAsNonRoot"), true), "it may run as root");
    rule(
        effective("runAsUser").as_u64().is_some_and(|user| user > 0),
        "its user is no number above 0",
    );
    let seccomp = effective("seccompProfile")["type"].as_str();
    rule(
        matches!(seccomp, Some("RuntimeDefault" | "Localhost")),
        "it has no seccomp profile",
    );
    let dropped = list(&security["capabilities"]["drop"]).any(|each| each == "ALL");
    rule(dropped, "it keeps capabilities");
    let added = list(&security["capabilities"]["add"]).all(|each| each == "NET_BIND_SERVICE");
    rule(added, "it adds capabilities");
    rule(
        matches!(security["procMount"].as_str(), None | Some("Default")),
        "it sets procMount",
    );
    rule(
        list(&container["ports"]).all(|port| port["hostPort"].is_null()),
        "it uses a host port",
    );
}

/// Resources, probes, image and secrets.
fn content_violations(found: &mut Vec<String>, container: &Value) {
    let name = container["name"].as_str().unwrap_or("?");
    let mut rule = |kept: bool, text: &str| expect(found, kept, || format!("{name}: {text}"));
    for kind in ["requests", "limits"] {
        for resource in ["cpu", "memory"] {
            let value = &container["resources"][kind][resource];
            rule(
                !value.is_null(),
                &format!("it has no {resource} in its {kind}"),
            );
        }
    }
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        rule(container[probe].is_object(), &format!("it has no {probe}"));
    }
    let port = &container["livenessProbe"]["httpGet"]["port"];
    rule(
        name != "posthorn" || port == "metrics",
        "its livenessProbe is on a port that clients can fill",
    );
    rule(
        is_exact(container["image"].as_str().unwrap_or_default()),
        "its image is not exact",
    );
    for variable in list(&container["env"]) {
        let name = variable["name"].as_str().unwrap_or_default();
        let secret = ["SECRET", "PASSWORD", "AUTH", "TOKEN"]
            .iter()
            .any(|part| name.contains(part));
        rule(
            !secret || variable["value"].is_null(),
            &format!("{name} is not a reference"),
        );
    }
}

/// True if an image is named by digest, or by a tag other than `latest`.
fn is_exact(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    last.contains("@sha256:") || last.split_once(':').is_some_and(|(_, tag)| tag != "latest")
}

fn expect(found: &mut Vec<String>, kept: bool, text: impl FnOnce() -> String) {
    if !kept {
        found.push(text());
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workload() -> Value {
        let probe = json!({"httpGet": {"path": "/health/live", "port": "metrics"}});
        json!({
            "kind": "Deployment",
            "metadata": {"name": "posthorn"},
            "spec": {"template": {"spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "name": "posthorn",
                    "image": "registry.example:5000/posthorn:0.1.0",
                    "env": [{"name": "SECRET_KEY", "valueFrom": {"secretKeyRef": {}}}],
                    "startupProbe": probe,
                    "livenessProbe": probe,
                    "readinessProbe": probe,
                    "resources": {
                        "requests": {"cpu": "1", "memory": "1Gi"},
                        "limits": {"cpu": "1", "memory": "1Gi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }],
            }}},
        })
    }

    #[test]
    fn a_restricted_workload_breaks_nothing() {
        assert_eq!(violations(&[workload()]), Vec::<String>::new());
    }

    /// Puts `value` at `pointer` below the pod and expects the one violation.
    #[track_caller]
    fn check(pointer: &str, key: &str, value: Value, violation: &str) {
        let mut object = workload();
        let place = object
            .pointer_mut(&format!("/spec/template/spec{pointer}"))
            .unwrap();
        place.as_object_mut().unwrap().insert(key.to_owned(), value);
        assert_eq!(
            violations(&[object]),
            [format!("Deployment/posthorn: {violation}")]
        );
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of weakenings")]
    fn each_weakening_is_found() {
        let security = "/containers/0/securityContext";
        check("", "hostNetwork", json!(true), "hostNetwork is set");
        check(
            "",
            "automountServiceAccountToken",
            json!(true),
            "automountServiceAccountToken is not false",
        );
        check(
            "",
            "volumes",
            json!([{"name": "x", "hostPath": {"path": "/"}}]),
            "a volume is a hostPath",
        );
        check(
            "/securityContext",
            "runAsUser",
            json!(0),
            "posthorn: its user is no number above 0",
        );
        check(
            "/securityContext",
            "seccompProfile",
            json!({"type": "Unconfined"}),
            "posthorn: it has no seccomp profile",
        );
        check(
            security,
            "privileged",
            json!(true),
            "posthorn: it is privileged",
        );
        check(
            security,
            "runAsNonRoot",
            json!(false),
            "posthorn: it may run as root",
        );
        check(
            security,
            "allowPrivilegeEscalation",
            Value::Null,
            "posthorn: it may escalate privileges",
        );
        check(
            security,
            "readOnlyRootFilesystem",
            json!(false),
            "posthorn: its root is writable",
        );
        check(
            security,
            "capabilities",
            json!({"drop": ["CHOWN"]}),
            "posthorn: it keeps capabilities",
        );
        check(
            security,
            "capabilities",
            json!({"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
            "posthorn: it adds capabilities",
        );
        check(
            "/containers/0",
            "readinessProbe",
            Value::Null,
            "posthorn: it has no readinessProbe",
        );
        check(
            "/containers/0",
            "image",
            json!("posthorn:latest"),
            "posthorn: its image is not exact",
        );
        check(
            "/containers/0",
            "image",
            json!("registry.example:5000/posthorn"),
            "posthorn: its image is not exact",
        );
        check(
            "/containers/0/resources/limits",
            "memory",
            Value::Null,
            "posthorn: it has no memory in its limits",
        );
        check(
            "/containers/0",
            "env",
            json!([{"name": "SECRET_KEY", "value": "x"}]),
            "posthorn: SECRET_KEY is not a reference",
        );
    }
}
