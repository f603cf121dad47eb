//! `cargo xtask ci api-requests`: Schemathesis makes requests from the OpenAPI document, valid and invalid ones, and
//! compares the responses of a server with all of its checks.

use std::path::Path;

use super::packages::Packages;
use super::server::Server;
use crate::binary;
use crate::process;
use crate::shell::output;

const SETTINGS: &str = include_str!("fuzz/schemathesis.toml");
/// As an installation: the document describes which calls need a token there.
const PRODUCTION: [(&str, &str); 6] = [
    ("ENVIRONMENT", "production"),
    (
        "SECRET_KEY",
        "only-for-the-check-with-schemathesis-0123456789",
    ),
    ("REQUIRE_WRITE_TOKEN", "true"),
    ("STORE_URL", "memory:"),
    ("RATE_LIMIT_AUTH_FAILURES", "1000000 per minute"),
    ("LOG_LEVEL", "warn"),
];
const SCOPES: &str = "messages:read,messages:write,messages:delete,messages:consume,consumers:manage,webhooks:manage,\
    tokens:revoke";

/// Runs it with a fixed seed.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let packages = Packages::install(root)?;
    let settings = packages.write("schemathesis.toml", SETTINGS)?;
    let mut issue = binary::server(&binary::debug(root)?);
    issue
        .envs(PRODUCTION)
        .args(["token", "issue", "--sub", "api-requests"]);
    let token = output(issue.args(["--scope", SCOPES]))?;
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = Server::start(root, work.path(), process::free_address()?, &PRODUCTION)?;
    let mut schemathesis = packages.program("schemathesis");
    schemathesis
        .current_dir(work.path())
        .arg("--config-file")
        .arg(settings)
        .args(["run", "--no-color", "--seed", "1", "--header"])
        .arg(format!("Authorization: Bearer {}", token.trim()));
    let printed = output(schemathesis.arg(server.url("/api-docs/openapi.json")))?;
    let summary = printed.lines().rev().take(4).collect::<Vec<_>>();
    println!(
        "{}",
        summary.into_iter().rev().collect::<Vec<_>>().join("\n")
    );
    server.stop()
}
