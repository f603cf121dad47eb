//! `cargo xtask manifests`: checks everything in `deploy/` and `.github/` without a cluster.
#![expect(
    clippy::indexing_slicing,
    reason = "reading a member of a JSON value never panics: what is absent is null"
)]

mod chart;
mod compose;
mod consistency;
mod context;
mod copies;
mod dashboard;
mod live;
mod metrics;
mod pods;
mod render;
mod runbook;
mod scaling;
mod settings;
mod tools;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::binary;
use crate::shell::output;
use tools::Tools;

/// The versions of Kubernetes whose schemas the objects have to match.
const KUBERNETES: [&str; 5] = ["1.33", "1.34", "1.35", "1.36", "1.37"];
/// A second set of the chart's values, with every option inverted.
const OTHER_VALUES: [&str; 7] = [
    "redis.enabled=false",
    "autoscaling.enabled=false",
    "podDisruptionBudget.enabled=false",
    "monitoring.enabled=false",
    "ingress.enabled=false",
    "drainDelaySeconds=3",
    "image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000",
];
/// Values that the chart's schema has to reject.
const BAD_VALUES: [&str; 9] = [
    "config.SECRET_KEY=x",
    "replicas=-1",
    "image.digest=latest",
    "replicaCount=2",
    "drainDelaySeconds=10s",
    "autoscaling.minReplicas=0",
    "config.ENVIRONMENT=1",
    "workerScaling.workers[0].deployment=mailer",
    "workerScaling.prometheusAddress=prometheus:9090",
];

/// The options of the checks.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct ManifestsOptions {
    /// Rewrite the copies of the rules instead of reporting those that differ.
    #[arg(long)]
    fix: bool,
}

/// Runs every check and reports all violations.
pub(crate) fn check(root: &Path, options: ManifestsOptions) -> Result<(), String> {
    let mut report = Report::default();
    report.add("copies", copies::check(root, options.fix));
    let tools = Tools::ensure(root)?;
    let deploy = root.join("deploy");
    let development = render::kustomize(&tools, &deploy.join("kubernetes/overlays/development"))?;
    let production = render::kustomize(&tools, &deploy.join("kubernetes/overlays/production"))?;
    let helm = deploy.join("helm/posthorn");
    let chart = render::helm(&tools, &helm, &[])?;
    let other = render::helm(&tools, &helm, &OTHER_VALUES)?;
    let workers = render::helm(&tools, &helm, &scaling::WORKER_VALUES)?;
    report.add("schemas of workers", schemas(&tools, &workers));
    report.add("workers", Ok(scaling::violations(&workers)));
    for (name, objects) in [
        ("development", &development),
        ("production", &production),
        ("chart", &chart),
        ("chart, other values", &other),
    ] {
        report.add(&format!("schemas of {name}"), schemas(&tools, objects));
        report.add(
            &format!("restricted standard, {name}"),
            Ok(pods::violations(objects)),
        );
        report.add(
            &format!("consistency, {name}"),
            Ok(consistency::violations(objects)),
        );
    }
    report.add(
        "chart and overlay",
        Ok(chart::differences(&production, &chart)),
    );
    let compose = compose::read(&tools, root)?;
    report.add("compose", Ok(compose::violations(&compose, &production)));
    report.add("chart values", values(&tools, &helm));
    report.add("image context", context::violations(root));
    report.add("runbook", runbook::violations(root));
    let queries = scaling::queries(&workers);
    report.add("dashboard", dashboard::violations(root, &queries));
    let rules = deploy.join("prometheus/posthorn.rules.test.yaml");
    report.tool(
        "rules",
        Command::new("promtool").args(["test", "rules"]).arg(rules),
    );
    let hadolint = &mut Command::new(tools.bin("hadolint"));
    report.tool("Dockerfile", hadolint.arg(deploy.join("docker/Dockerfile")));
    report.tool(
        "workflows",
        Command::new(tools.bin("actionlint")).current_dir(root),
    );
    match binary::debug(root) {
        Err(error) => report.found.push(error),
        Ok(binary) => {
            report.add(
                "settings of production",
                settings::refused(&production, &binary),
            );
            report.add(
                "settings of development",
                settings::refused(&development, &binary),
            );
            let environment = compose::settings(&compose);
            report.add(
                "settings of compose",
                settings::unknown(&environment, &binary),
            );
            report.add("metrics", metrics::violations(root, &binary, &queries));
        }
    }
    report.finish()
}

/// The violations so far.
#[derive(Default)]
struct Report {
    found: Vec<String>,
    checks: usize,
}

impl Report {
    /// Adds the violations that `check` found, or the error that prevented it.
    fn add(&mut self, check: &str, found: Result<Vec<String>, String>) {
        self.checks += 1;
        let found = found.unwrap_or_else(|error| vec![error]);
        self.found
            .extend(found.into_iter().map(|line| format!("{check}: {line}")));
    }

    /// Adds the output of a tool that failed.
    fn tool(&mut self, check: &str, command: &mut Command) {
        self.checks += 1;
        if let Err(error) = output(command) {
            self.found.push(format!("{check}: {error}"));
        }
    }

    fn finish(self) -> Result<(), String> {
        if self.found.is_empty() {
            println!("manifests: {} checks passed", self.checks);
            return Ok(());
        }
        Err(self.found.join("\n"))
    }
}

/// Objects that the schema of a version of Kubernetes rejects.
fn schemas(tools: &Tools, objects: &[Value]) -> Result<Vec<String>, String> {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").map_err(|error| error.to_string())?;
    // JSON is YAML; the types of the Prometheus Operator and of KEDA have no schema here.
    let known = objects.iter().filter(|object| {
        object["apiVersion"] != "monitoring.coreos.com/v1"
            && object["apiVersion"] != "keda.sh/v1alpha1"
    });
    let documents: Vec<String> = known.map(Value::to_string).collect();
    std::fs::write(&file, documents.join("\n---\n")).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for version in KUBERNETES {
        let mut command = Command::new(tools.bin("kubernetes-validate"));
        command
            .args(["--strict", "--quiet", "--kubernetes-version", version])
            .arg(file.path());
        if let Err(error) = output(&mut command) {
            found.push(format!("{version}: {error}"));
        }
    }
    Ok(found)
}

/// Lints the chart, and reports bad values that its schema accepts.
fn values(tools: &Tools, chart: &Path) -> Result<Vec<String>, String> {
    output(
        Command::new(&tools.helm)
            .args(["lint", "--strict", "--quiet"])
            .arg(chart),
    )?;
    let bad = BAD_VALUES
        .iter()
        .filter(|value| render::helm(tools, chart, &[value]).is_ok());
    Ok(bad
        .map(|value| format!("the schema accepts {value}"))
        .collect())
}
