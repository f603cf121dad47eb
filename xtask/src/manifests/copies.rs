//! Files that two tools each need at their own path: one is the source, the others are copies.

use std::fs;
use std::path::Path;

/// A file, the path of a copy, and the conversion.
struct Copy {
    source: &'static str,
    target: &'static str,
    shape: fn(&str) -> String,
}

const COPIES: [Copy; 4] = [
    Copy {
        source: "deploy/prometheus/posthorn.rules.yaml",
        target: "deploy/helm/posthorn/files/posthorn.rules.yaml",
        shape: str::to_owned,
    },
    Copy {
        source: "deploy/prometheus/posthorn.rules.yaml",
        target: "deploy/kubernetes/components/monitoring/prometheus-rule.yaml",
        shape: prometheus_rule,
    },
    Copy {
        source: "deploy/grafana/posthorn.json",
        target: "deploy/helm/posthorn/files/dashboard.json",
        shape: str::to_owned,
    },
    Copy {
        source: "deploy/kubernetes/base/redis.conf",
        target: "deploy/helm/posthorn/files/redis.conf",
        shape: str::to_owned,
    },
];

/// Reports the copies that differ from their source, or with `fix` rewrites them.
pub(super) fn check(root: &Path, fix: bool) -> Result<Vec<String>, String> {
    let mut stale = Vec::new();
    for Copy {
        source,
        target,
        shape,
    } in COPIES
    {
        let text = fs::read_to_string(root.join(source)).map_err(|e| format!("{source}: {e}"))?;
        let wanted = shape(&text);
        if fs::read_to_string(root.join(target)).ok().as_ref() == Some(&wanted) {
            continue;
        }
        if fix {
            fs::write(root.join(target), wanted).map_err(|e| format!("{target}: {e}"))?;
        } else {
            stale.push(format!(
                "{target} is not {source}: cargo xtask manifests --fix"
            ));
        }
    }
    Ok(stale)
}

/// The rules as the object of the Prometheus Operator, for the release of the overlay alone: the chart
/// does the same for each release, so that none is recorded or fires twice.
fn prometheus_rule(rules: &str) -> String {
    const RELEASE: &str = ",namespace=\"posthorn\",service=\"posthorn\"";
    let mut rules = rules.to_owned();
    for job in ["job=\"posthorn\"", "job=\"posthorn-redis\""] {
        rules = rules.replace(job, &format!("{job}{RELEASE}"));
    }
    let rules = rules
        .replace(
            "namespace=~\".*\",service=~\".*\"",
            RELEASE.trim_start_matches(','),
        )
        .replace(
            "persistentvolumeclaim=~\"",
            "namespace=\"posthorn\",persistentvolumeclaim=~\"",
        )
        .replace("data-.*posthorn.*", "data-posthorn(-redis)?-0")
        .replace(
            "horizontalpodautoscaler=~\".*posthorn.*\"",
            "namespace=\"posthorn\",horizontalpodautoscaler=\"posthorn\"",
        );
    let head = "# The groups are those of deploy/prometheus/posthorn.rules.yaml: `cargo xtask manifests --fix`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: posthorn
  labels:
    app.kubernetes.io/name: posthorn
spec:
";
    let indented = rules.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    std::iter::once(head.to_owned()).chain(indented).collect()
}
