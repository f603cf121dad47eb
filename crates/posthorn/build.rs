//! Hands the commit and the build date to `--version`.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=POSTHORN_COMMIT");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    for path in ["HEAD", "logs/HEAD"] {
        if let Some(path) = output("git", &["rev-parse", "--git-path", path]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    // An image is built without the repository's history, so the commit may be handed in.
    let commit = std::env::var("POSTHORN_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty())
        .or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]))
        .unwrap_or_else(|| "unknown".to_owned());
    // <https://reproducible-builds.org/specs/source-date-epoch/>
    let date = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(epoch) => output("date", &["--utc", &format!("--date=@{epoch}"), "+%F"]),
        Err(_) => output("date", &["--utc", "+%F"]),
    };
    println!("cargo:rustc-env=POSTHORN_BUILD_COMMIT={commit}");
    println!(
        "cargo:rustc-env=POSTHORN_BUILD_DATE={}",
        date.as_deref().unwrap_or("unknown")
    );
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
