//! The command line, as clap parses it.

mod help;

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use posthorn_client::{ClientCommand, TokenCommand, WORK_HELP, WorkArguments, number_between};
use posthorn_config::Sources;

/// The command line of the program with this version, with the examples of each command.
pub(crate) fn command(version: &'static str) -> Command {
    help::add(CommandLine::command().version(version), "")
}

/// An HTTP message inbox that can be worked off.
#[derive(Debug, Parser)]
#[command(name = "posthorn", version, propagate_version = true)]
pub(crate) struct CommandLine {
    /// The TOML file with settings.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The command; `serve` by default.
    #[command(subcommand)]
    pub(crate) command: Option<PosthornCommand>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum PosthornCommand {
    /// Run the server.
    #[command(after_long_help = posthorn_config::help_text())]
    Serve(ListenArguments),
    /// Print the effective configuration, secrets masked, and where each value comes from.
    Config {
        /// The listener, as `serve` would have it.
        #[command(flatten)]
        listen: ListenArguments,
        /// Print a JSON array of objects with `name`, `value` and `origin`.
        #[arg(long, conflicts_with = "reference")]
        json: bool,
        /// Print the reference of all settings as Markdown instead.
        #[arg(long)]
        reference: bool,
        /// What to print instead.
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
    /// Check that a server is ready; the health command of a container.
    Healthcheck {
        /// The address of the server, or the URL of another probe than its readiness; by default the server
        /// configured here.
        #[arg(long)]
        url: Option<String>,
    },
    /// Check in one run what a start needs: configuration, keys, store, disk, Redis, ports. Changes nothing.
    Doctor(ListenArguments),
    /// Copy the embedded store to a new file, also while a server runs.
    Backup {
        /// The new file; it must not exist.
        file: PathBuf,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Issue, inspect and revoke bearer tokens.
    Token {
        /// The token command.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// A command that calls a server.
    #[command(flatten)]
    Client(ClientCommand),
    /// Run a command for each message of a consumer.
    #[command(after_help = WORK_HELP)]
    Work(WorkArguments),
    /// Print the completions of this command line for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print a manual page, in roff.
    Man {
        /// The command; `posthorn` itself without one.
        command: Vec<String>,
    },
}

/// The listener, over the settings of the same names.
#[derive(Debug, Default, Args)]
pub(crate) struct ListenArguments {
    /// The address to listen on; over the setting `HOST`.
    #[arg(long, value_name = "ADDRESS", value_parser = host)]
    pub(crate) host: Option<String>,
    /// The port to listen on, 0 for a free one; over the setting `PORT`.
    #[arg(long, value_name = "NUMBER", value_parser = number_between::<u16>(0, u16::MAX.into()))]
    pub(crate) port: Option<u16>,
}

impl ListenArguments {
    /// The sources with these arguments over them.
    pub(crate) fn over(&self, sources: Sources) -> Sources {
        let host = self
            .host
            .as_ref()
            .map(|host| ("host", "--host", host.clone()));
        let port = self.port.map(|port| ("port", "--port", port.to_string()));
        let given = [host, port].into_iter().flatten();
        given.fold(sources, |sources, (key, option, text)| {
            sources.with_argument(key, option, &text)
        })
    }
}

/// Rejects a text that is neither an IP address nor a host name.
fn host(text: &str) -> Result<String, &'static str> {
    let is_allowed = |character: char| {
        character.is_alphanumeric() || matches!(character, '.' | '-' | '_' | ':' | '[' | ']' | '%')
    };
    if !text.is_empty() && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err("an IP address or a host name")
}

/// A command about the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the JSON Schema of the TOML file, for editors.
    Schema,
}

#[cfg(test)]
mod value_tests;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The words of an example from `posthorn` on, as a shell would split them.
    fn words(example: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for character in format!("{example} ").chars() {
            match (quote, character) {
                (Some(open), _) if open == character => quote = None,
                (None, '"' | '\'') => quote = Some(character),
                (None, '#' | '<' | '>') => break,
                (None, '|') => words.clear(),
                (None, ' ') if word.is_empty() => {}
                (None, ' ') => words.push(std::mem::take(&mut word)),
                _ => word.push(character),
            }
        }
        let start = words.iter().position(|word| word == "posthorn");
        words.split_off(start.expect("it calls posthorn"))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        command("1.0").debug_assert();
    }

    #[track_caller]
    fn check(command: &Command, path: &str, called: &BTreeSet<String>) {
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name());
            let help = below.clone().render_long_help().to_string();
            assert!(help.contains("\nExamples:\n  "), "{path}: {help}");
            assert!(below.has_subcommands() || called.contains(&path), "{path}");
            check(below, &path, called);
        }
    }

    #[test]
    fn every_example_is_valid_and_every_command_has_one() {
        let mut called = BTreeSet::new();
        for example in help::EXAMPLES.lines() {
            let words = words(example);
            let matches = command("1.0").try_get_matches_from(&words);
            let matches = matches.unwrap_or_else(|error| panic!("{example}: {error}"));
            let (mut matches, mut path) = (&matches, String::new());
            while let Some((name, below)) = matches.subcommand() {
                path.push_str(&format!(" {name}"));
                matches = below;
            }
            called.insert(path);
        }
        check(&command("1.0"), "", &called);
    }
}
