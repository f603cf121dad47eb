//! Checks of the HTTP interface by tools that others wrote, each a step of `cargo xtask ci`.

use std::path::Path;
use std::process::Command;

use super::packages::Packages;
use super::server::Server;
use crate::shell::output;

const LINT: &str = include_str!("api/lint.py");
const METRICS: &str = include_str!("api/metrics.py");
const CLIENT: &str = include_str!("api/client.py");
const RULES: &str = include_str!("api/spectral.yaml");
const DOCUMENT: &str = "docs/openapi.json";

/// `http-lint`: httplint has no finding in the response of any GET route that is not justified in the script.
pub(crate) fn lint_responses(root: &Path) -> Result<(), String> {
    let packages = Packages::install(root)?;
    run_with_server(root, packages.python("lint.py", LINT)?)
}

/// `metrics-formats`: the parsers of prometheus-client read the metrics in both formats.
pub(crate) fn parse_metrics(root: &Path) -> Result<(), String> {
    let packages = Packages::install(root)?;
    run_with_server(root, packages.python("metrics.py", METRICS)?)
}

/// `api-document`: Spectral has no finding in the OpenAPI document but those of rules that its file turns off.
pub(crate) fn lint_document(root: &Path) -> Result<(), String> {
    let packages = Packages::install(root)?;
    let rules = packages.write("spectral.yaml", RULES)?;
    let mut spectral = Command::new(packages.path("node_modules/.bin/spectral"));
    spectral.args(["lint", "--fail-severity", "hint", "--ruleset"]);
    let found = output(spectral.arg(rules).arg(root.join(DOCUMENT)))?;
    println!("{}", found.trim());
    Ok(())
}

/// `api-client`: the client that openapi-python-client generates from the document works with the server.
pub(crate) fn generate_client(root: &Path) -> Result<(), String> {
    let packages = Packages::install(root)?;
    let settings = packages.write("generator.yaml", "post_hooks: []\n")?;
    let mut generate = packages.program("openapi-python-client");
    generate.args(["generate", "--overwrite", "--meta", "none", "--path"]);
    generate
        .arg(root.join(DOCUMENT))
        .arg("--config")
        .arg(settings);
    // Its warnings are about media types that it does not generate.
    output(
        generate
            .arg("--output-path")
            .arg(packages.path("generated")),
    )?;
    run_with_server(root, packages.python("client.py", CLIENT)?)
}

/// Runs a script with the URL of a server that has its default settings.
fn run_with_server(root: &Path, mut script: Command) -> Result<(), String> {
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = Server::in_memory(root, work.path())?;
    let printed = output(script.arg(server.url("")))?;
    print!("{printed}");
    server.stop()
}
