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
mod reference;
mod render;
mod runbook;
mod scaling;
mod settings;
mod tools;
mod unit;
mod values;
mod variants;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::binary;
use crate::shell::output;
use tools::Tools;

/// The versions of Kubernetes whose schemas the objects have to match.
const KUBERNETES: [&str; 5] = ["1.33", "1.34", "1.35", "1.36", "1.37"];
/// A second set of the chart's values, with every option inverted.
const OTHER_VALUES: [&str; 6] = [
    "redis.enabled=false",
    "externalRedis.urlFromSecret=true",
    "networkPolicy.redisPeers[0].ipBlock.cidr=192.0.2.0/24",
    "autoscaling.enabled=false",
    "drainDelaySeconds=3",
    "image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000",
];

/// The options of the checks.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct ManifestsOptions {
    /// Rewrite the copies and the generated files instead of reporting those that differ.
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
    report.add("values", values::generated(root, &tools, options.fix));
    let values = format!("--values={}", helm.join("production.yaml").display());
    let chart = render::helm(&tools, &helm, &[&values])?;
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
    report.add("chart values", values::violations(&tools, &helm));
    report.add("chart egress", values::unchecked_addresses(root));
    report.add("chart quotas", values::stale_limits(root));
    report.add("chart variants", variants::violations(&tools, &helm));
    report.add("image context", context::violations(root));
    report.add("runbook", runbook::violations(root));
    report.add("systemd unit", unit::violations(root));
    let queries = scaling::queries(&workers);
    report.add("dashboard", dashboard::violations(root, &queries));
    run_checkers(&mut report, root, &tools);
    match binary::debug(root) {
        Err(error) => report.found.push(error),
        Ok(binary) => {
            for (name, objects) in [("production", &production), ("development", &development)] {
                let refused = settings::refused(objects, &binary);
                report.add(&format!("settings of {name}"), refused);
            }
            let unknown = settings::unknown(&compose::settings(&compose), &binary);
            report.add("settings of compose", unknown);
            let metrics = metrics::violations(root, &binary, &queries, options.fix);
            report.add("metrics", metrics);
        }
    }
    report.finish()
}

/// Runs the checkers that others wrote: of the rules, the Dockerfile and the workflows.
fn run_checkers(report: &mut Report, root: &Path, tools: &Tools) {
    let deploy = root.join("deploy");
    let rules = deploy.join("prometheus/posthorn.rules.test.yaml");
    let promtool = &mut Command::new("promtool");
    report.tool("rules", promtool.args(["test", "rules"]).arg(rules));
    let hadolint = &mut Command::new(tools.bin("hadolint"));
    report.tool("Dockerfile", hadolint.arg(deploy.join("docker/Dockerfile")));
    let actionlint = &mut Command::new(tools.bin("actionlint"));
    report.tool("workflows", actionlint.current_dir(root));
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
    // JSON is YAML; custom resources have no schema here.
    let known = objects.iter().filter(|object| {
        let group = object["apiVersion"].as_str().unwrap_or_default();
        ![
            "monitoring.coreos.com/",
            "keda.sh/",
            "gateway.networking.k8s.io/",
        ]
        .iter()
        .any(|custom| group.starts_with(custom))
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
