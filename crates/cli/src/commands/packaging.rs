//! `posthorn completions` and `posthorn man`: what packages of the binary contain.

use std::io;
use std::process::ExitCode;

use clap_complete::Shell;
use clap_mangen::Man;
use posthorn_client::{fail, print};

use crate::grammar;

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
        match command.find_subcommand(name) {
            Some(found) => command = found.clone(),
            None => return fail(&format!("there is no command `{}`", path.join(" "))),
        }
    }
    let mut page = Vec::new();
    let rendered: io::Result<()> = Man::new(command).render(&mut page);
    match rendered {
        Ok(()) => print(&String::from_utf8_lossy(&page)),
        Err(error) => fail(&error),
    }
}
