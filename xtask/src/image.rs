//! `cargo xtask image`: builds the container image with docker, podman or buildah, the first that
//! works, and prints its size.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::shell::output;

/// The image is a binary and its libraries. A larger one contains something else.
const MAX_BYTES: u64 = 40 << 20;
const ENGINES: [&str; 3] = ["docker", "podman", "buildah"];

/// The options of the build.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ImageOptions {
    /// The image's name.
    #[arg(long, default_value = "posthorn:local")]
    tag: String,
    /// The image to build with, instead of the Dockerfile's.
    #[arg(long)]
    rust_image: Option<String>,
}

/// Builds the image.
pub(crate) fn build(root: &Path, options: &ImageOptions) -> Result<(), String> {
    let engine = ENGINES
        .into_iter()
        .find(|engine| works(engine))
        .ok_or_else(|| format!("none of {} works here", ENGINES.join(", ")))?;
    let mut command = build_command(root, engine, options)?;
    let status = command
        .status()
        .map_err(|error| format!("{engine}: {error}"))?;
    if !status.success() {
        return Err(format!("{engine}: {status}"));
    }
    let bytes = size(engine, &options.tag)?;
    let tenths = bytes.saturating_mul(10) >> 20;
    println!(
        "{} built with {engine}: {}.{} MiB",
        options.tag,
        tenths / 10,
        tenths % 10
    );
    if bytes > MAX_BYTES {
        return Err(format!("the image is larger than {} MiB", MAX_BYTES >> 20));
    }
    Ok(())
}

/// The engine's command that builds the image, with the commit and its time as arguments.
fn build_command(root: &Path, engine: &str, options: &ImageOptions) -> Result<Command, String> {
    let git = |arguments: &[&str]| output(Command::new("git").current_dir(root).args(arguments));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let epoch = git(&["log", "-1", "--format=%ct"])?;
    let created = git(&["log", "-1", "--format=%cI"])?;
    let mut command = Command::new(engine);
    command
        .current_dir(root)
        .arg(if engine == "buildah" { "bud" } else { "build" });
    if engine == "buildah" {
        // It works where namespaces and overlay mounts do not.
        command.args([
            "--isolation",
            "chroot",
            "--storage-driver",
            "vfs",
            "--layers",
        ]);
        command.args(["--format", "docker"]);
    }
    let arguments = [
        ("POSTHORN_COMMIT", commit.as_str()),
        ("POSTHORN_VERSION", env!("CARGO_PKG_VERSION")),
        ("SOURCE_DATE_EPOCH", epoch.as_str()),
        ("CREATED", created.as_str()),
    ];
    let base = options
        .rust_image
        .as_deref()
        .map(|image| ("RUST_IMAGE", image));
    for (name, value) in arguments.into_iter().chain(base) {
        command.args(["--build-arg", &format!("{name}={}", value.trim())]);
    }
    command.args([
        "--file",
        "deploy/docker/Dockerfile",
        "--tag",
        &options.tag,
        ".",
    ]);
    Ok(command)
}

/// True if an engine works; a docker client without its server does not.
fn works(engine: &str) -> bool {
    let mut command = Command::new(engine);
    command
        .arg("info")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if engine == "buildah" {
        command.args(["--storage-driver", "vfs"]);
    }
    command.status().is_ok_and(|status| status.success())
}

/// The size of the image's files.
fn size(engine: &str, tag: &str) -> Result<u64, String> {
    if engine != "buildah" {
        let text =
            output(Command::new(engine).args(["image", "inspect", "--format", "{{.Size}}", tag]))?;
        return text
            .trim()
            .parse()
            .map_err(|_| format!("{engine} printed the size {text}"));
    }
    let buildah = |arguments: &[&str]| {
        output(
            Command::new(engine)
                .args(["--storage-driver", "vfs"])
                .args(arguments),
        )
    };
    let container = buildah(&["from", "--pull-never", tag])?;
    let container = container.trim();
    let sizes = buildah(&["mount", container])
        .and_then(|directory| output(Command::new("du").args(["-sb", directory.trim()])));
    buildah(&["rm", container])?;
    let sizes = sizes?;
    let bytes = sizes
        .split_whitespace()
        .next()
        .and_then(|bytes| bytes.parse().ok());
    bytes.ok_or_else(|| format!("du printed {sizes}"))
}
