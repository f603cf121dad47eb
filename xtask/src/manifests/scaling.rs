//! Checks the KEDA objects that the chart makes for workers. KEDA's types have no schema here.

use serde_json::Value;

use super::render::title;

/// Values with two workers.
pub(super) const WORKER_VALUES: [&str; 7] = [
    "workerScaling.workers[0].deployment=mailer",
    "workerScaling.workers[0].topic=jobs",
    "workerScaling.workers[0].consumer=mailer",
    "workerScaling.workers[1].deployment=printer",
    "workerScaling.workers[1].topic=jobs",
    "workerScaling.workers[1].consumer=printer",
    "workerScaling.workers[1].messagesPerReplica=1000000",
];
const WORKERS: [&str; 2] = ["mailer", "printer"];

/// The queries of the triggers of all `ScaledObject`s.
pub(super) fn queries(objects: &[Value]) -> Vec<String> {
    let triggers = scaled(objects).flat_map(triggers);
    let queries = triggers.filter_map(|trigger| trigger["metadata"]["query"].as_str());
    queries.map(str::to_owned).collect()
}

/// Contradictions in the objects of [`WORKER_VALUES`], one line each.
pub(super) fn violations(objects: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for name in WORKERS {
        let scales = |object: &&Value| object["spec"]["scaleTargetRef"]["name"] == name;
        match scaled(objects).find(scales) {
            Some(object) => found.extend(object_violations(object, name)),
            None => found.push(format!("nothing scales {name}")),
        }
        if !may_reach(objects, name) {
            found.push(format!("no policy lets {name} reach the server"));
        }
    }
    found
}

fn object_violations(object: &Value, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rule = |kept: bool, text: &str| {
        if !kept {
            found.push(format!("{}: {text}", title(object)));
        }
    };
    let spec = &object["spec"];
    rule(spec["minReplicaCount"] == 0, "it does not scale to zero");
    rule(spec["maxReplicaCount"] == 10, "it has no upper bound");
    rule(
        triggers(object).count() == 1,
        "it does not have one trigger",
    );
    for trigger in triggers(object) {
        rule(trigger["type"] == "prometheus", "its trigger is another");
        // KEDA reads metadata as text alone.
        let metadata = trigger["metadata"].as_object().into_iter().flatten();
        let mut values = metadata.map(|(_, value)| value);
        rule(values.all(Value::is_string), "its metadata is no text");
        let threshold = trigger["metadata"]["threshold"].as_str();
        let threshold = threshold.and_then(|text| text.parse::<u64>().ok());
        rule(threshold.is_some_and(|n| n > 0), "its threshold is none");
        rule(
            trigger["metadata"]["ignoreNullValues"] == "false",
            "a store that is away would remove the workers",
        );
        let query = trigger["metadata"]["query"].as_str().unwrap_or_default();
        rule(
            query.contains(&format!("consumer=\"{name}\"")),
            "its query is of another consumer",
        );
    }
    found
}

/// True if the pods called `name` may reach the server by its policy and by their own.
fn may_reach(objects: &[Value], name: &str) -> bool {
    let policies = || {
        objects
            .iter()
            .filter(|object| object["kind"] == "NetworkPolicy")
    };
    let of = |label: &'static str| {
        move |policy: &&Value| {
            policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == *label
        }
    };
    let names = |policy: &Value, direction: &str, peer: &str, wanted: &str| {
        let rules = policy["spec"][direction].as_array().into_iter().flatten();
        let mut peers = rules.flat_map(|rule| rule[peer].as_array().into_iter().flatten());
        peers.any(|peer| {
            let selector = &peer["podSelector"];
            let is_named = selector["matchLabels"]["app.kubernetes.io/name"] == *wanted;
            let is_any = selector.as_object().is_some_and(serde_json::Map::is_empty);
            (is_named || is_any) && peer["namespaceSelector"].is_null()
        })
    };
    let lets_in = policies()
        .filter(of("posthorn"))
        .any(|policy| names(policy, "ingress", "from", name));
    let lets_out = policies()
        .filter(|policy| {
            policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == *name
        })
        .any(|policy| names(policy, "egress", "to", "posthorn"));
    lets_in && lets_out
}

fn scaled(objects: &[Value]) -> impl Iterator<Item = &Value> {
    objects.iter().filter(|object| {
        object["apiVersion"] == "keda.sh/v1alpha1" && object["kind"] == "ScaledObject"
    })
}

fn triggers(object: &Value) -> impl Iterator<Item = &Value> {
    object["spec"]["triggers"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(name: &str, direction: &str, peer: &str, other: &str) -> Value {
        let label = |name: &str| json!({"matchLabels": {"app.kubernetes.io/name": name}});
        json!({"kind": "NetworkPolicy", "spec": {"podSelector": label(name),
            direction: [{peer: [{"podSelector": label(other)}]}]}})
    }

    fn objects() -> Vec<Value> {
        WORKERS
            .iter()
            .flat_map(|name| {
                let object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                    "metadata": {"name": name}, "spec": {
                        "scaleTargetRef": {"name": name}, "minReplicaCount": 0, "maxReplicaCount": 10,
                        "triggers": [{"type": "prometheus", "metadata": {
                            "query": format!("a{{consumer=\"{name}\"}}"), "threshold": "100",
                            "ignoreNullValues": "false"}}]}});
                [
                    object,
                    policy("posthorn", "ingress", "from", name),
                    policy(name, "egress", "to", "posthorn"),
                ]
            })
            .collect()
    }

    #[test]
    fn objects_that_agree_break_nothing() {
        assert_eq!(violations(&objects()), Vec::<String>::new());
        let queries = queries(&objects());
        assert_eq!(
            queries,
            ["a{consumer=\"mailer\"}", "a{consumer=\"printer\"}"]
        );
    }

    #[test]
    fn each_contradiction_is_found() {
        let mut numbers = objects();
        numbers[0]["spec"]["triggers"][0]["metadata"]["threshold"] = json!(100);
        let expected = [
            "ScaledObject/mailer: its metadata is no text",
            "ScaledObject/mailer: its threshold is none",
        ];
        assert_eq!(violations(&numbers), expected);
        let mut removed = objects();
        removed.remove(1);
        let expected = ["no policy lets mailer reach the server"];
        assert_eq!(violations(&removed), expected);
    }
}
