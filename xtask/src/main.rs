//! Contributor commands: `cargo xtask help` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these commands talk to the person who runs them"
)]

mod arch;
mod bench;
mod ci;
mod coverage;
mod deny;
mod doc;
mod fmt;
mod generated;
mod http_client;
mod image;
mod layers;
mod lint;
mod llvm;
mod manifests;
mod process;
mod rollout;
mod setup;
mod shell;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use generated::Generated;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Contributor commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check and test.
    Ci,
    /// Install the programs that the other commands use, or name those that cannot be installed.
    Setup,
    /// Format the code.
    Fmt {
        /// Change nothing; fail if something would change.
        #[arg(long)]
        check: bool,
    },
    /// Run clippy; a warning is an error.
    Lint,
    /// Check the layout of the sources and the links of the documentation.
    Tidy,
    /// Check which crate may depend on which.
    Arch,
    /// Check licences, banned crates and sources of the dependencies.
    Deny,
    /// Compile each crate on its own.
    Layers,
    /// Build the documentation; a warning is an error.
    Doc,
    /// Run all tests.
    Test,
    /// Run all tests and measure which lines they reach.
    Coverage,
    /// Write docs/openapi.json.
    Openapi {
        /// Change nothing; fail if the file is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Write docs/CONFIGURATION.md.
    ConfigDocs {
        /// Change nothing; fail if the file is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Check everything in deploy/ without a cluster.
    Manifests(manifests::Options),
    /// Build the container image.
    Image(image::Options),
    /// Measure the server beside a bare handler.
    Bench(bench::Options),
    /// Rehearse a rolling restart under load.
    Rollout,
}

fn main() -> ExitCode {
    let root = root();
    let outcome = match Cli::parse().command {
        Command::Ci => ci::run(&root),
        Command::Setup => setup::run(),
        Command::Fmt { check } => fmt::run(&root, check),
        Command::Lint => lint::run(&root),
        Command::Tidy => tidy::run(&root),
        Command::Arch => arch::run(&root),
        Command::Deny => deny::run(&root),
        Command::Layers => layers::run(&root),
        Command::Doc => doc::run(&root),
        Command::Test => test::run(&root),
        Command::Coverage => coverage::run(&root),
        Command::Openapi { check } => generated::run(&root, Generated::Openapi, check),
        Command::ConfigDocs { check } => generated::run(&root, Generated::Configuration, check),
        Command::Manifests(options) => manifests::check(&root, options),
        Command::Image(options) => image::build(&root, &options),
        Command::Bench(options) => bench::run(&root, options),
        Command::Rollout => rollout::rehearse(&root),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The directory of the workspace.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}
