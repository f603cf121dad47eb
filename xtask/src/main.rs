//! Contributor commands: `cargo xtask help` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output of a command is for the person at the terminal"
)]

mod apt;
mod arch;
mod bench;
mod binary;
mod chaos;
mod ci;
mod coverage;
mod deny;
mod doc;
mod fmt;
mod generated;
mod hooks;
mod http_client;
mod image;
mod interop;
mod layers;
mod lint;
mod llvm;
mod manifests;
mod page;
mod pool;
mod process;
mod programs;
mod receivers;
mod rollout;
mod setup;
mod shell;
mod tcp;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use generated::Generated;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Contributor commands")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every check and test, or the named steps.
    Ci(ci::CiOptions),
    /// Install the programs that the other commands use, or name the packages to install.
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
    /// Check the imports between crates, folders and files.
    Arch,
    /// Check licences, banned crates and sources of the dependencies.
    Deny {
        /// Check the advisories of the `RustSec` database too, which is fetched.
        #[arg(long)]
        advisories: bool,
    },
    /// Compile each crate on its own.
    Layers,
    /// Build the documentation; a warning is an error.
    Doc,
    /// Install a git hook that runs fmt, tidy and arch before each commit.
    Hooks,
    /// Run all tests, or some of them.
    Test(test::TestOptions),
    /// Run all tests and measure which lines they reach.
    Coverage,
    /// Write docs/openapi.json.
    Openapi {
        /// Change nothing; fail if the file is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Write docs/CONFIGURATION.md and docs/posthorn.schema.json.
    ConfigDocs {
        /// Change nothing; fail if the file is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Check the types of the inbox page's scripts, and test their pure parts.
    Page,
    /// Check everything in deploy/ without a cluster.
    Manifests(manifests::ManifestsOptions),
    /// Build the container image.
    Image(image::ImageOptions),
    /// Measure the server beside a bare handler.
    Bench(bench::BenchOptions),
    /// Kill servers and stores under load, and judge what consumers were handed.
    Chaos(chaos::ChaosOptions),
    /// Rehearse a rolling restart under load.
    Rollout,
    /// Let programs that others wrote send messages to a server.
    Senders,
}

fn main() -> ExitCode {
    let root = root();
    let outcome = match Arguments::parse().task {
        Task::Ci(options) => ci::run(&root, &options),
        Task::Setup => setup::run(&root),
        Task::Fmt { check } => fmt::run(&root, check),
        Task::Lint => lint::run(&root),
        Task::Tidy => tidy::run(&root),
        Task::Arch => arch::run(&root),
        Task::Deny { advisories: false } => deny::run(&root),
        Task::Deny { advisories: true } => deny::run_with_advisories(&root),
        Task::Layers => layers::run(&root),
        Task::Doc => doc::run(&root),
        Task::Hooks => hooks::install(&root),
        Task::Test(options) => test::run(&root, &options),
        Task::Coverage => coverage::run(&root),
        Task::Openapi { check } => generated::run(&root, Generated::Openapi, check),
        Task::ConfigDocs { check } => generated::run_configuration(&root, check),
        Task::Page => page::run(&root),
        Task::Manifests(options) => manifests::check(&root, options),
        Task::Image(options) => image::build(&root, &options),
        Task::Bench(options) => bench::run(&root, &options),
        Task::Chaos(options) => chaos::run(&root, &options),
        Task::Rollout => rollout::rehearse(&root),
        Task::Senders => interop::senders::run(&root),
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
