//! `posthorn completions` and `posthorn man`: what packages of the binary contain.

mod manual;

use std::process::ExitCode;

use clap_complete::Shell;
use posthorn_client::{fail, print, print_error};

use crate::grammar;
use crate::runtime::USAGE;

/// Prints the completions of the command line for a shell.
pub(super) fn completions(version: &'static str, shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut grammar::command(version),
        "posthorn",
        &mut script,
    );
    print(&String::from_utf8_lossy(&script))
}

/// Prints the manual page of the command that `path` leads to, in roff.
pub(super) fn man(version: &'static str, path: &[String]) -> ExitCode {
    let mut command = grammar::command(version);
    command.build();
    for name in path {
        let Some(found) = command.find_subcommand(name) else {
            let path = path.join(" ");
            print_error(&format!("COMMAND: there is no command `{path}`"));
            return ExitCode::from(USAGE);
        };
        command = found.clone();
    }
    match manual::page(command, version) {
        Ok(page) => print(&page),
        Err(error) => fail(&error),
    }
}
