//! From the command line to an exit code: 0 done, 1 failed, 2 usage, 75 not now, 78 bad configuration.

mod backup;
mod doctor;
mod packaging;
mod token;
mod work;

use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;
use posthorn_client::{check_health, fail_call, print, print_error};
use posthorn_config::{Loaded, Sources};

use crate::grammar::{self, CommandLine, ConfigCommand, ListenArguments, PosthornCommand};
use crate::installation::{BuildInfo, Installation};
use crate::runtime::{BAD_CONFIGURATION, USAGE, block_on};

/// Parses the command line and runs the command. The process must have installed a default rustls provider.
pub fn main(installation: &impl Installation, build: BuildInfo) -> ExitCode {
    let matches = grammar::command(build.version).try_get_matches();
    let cli = match matches.and_then(|matches| CommandLine::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return report(&error),
    };
    let sources = Sources::of_process(cli.config.as_deref());
    let command = cli.command;
    let command = command.unwrap_or(PosthornCommand::Serve(ListenArguments::default()));
    run(installation, build, command, sources).unwrap_or_else(|code| code)
}

/// Prints what clap returns in place of a command: a help, a version, or an error in the style of all others.
fn report(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Fails if standard output is closed: nobody reads it.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(USAGE)
        }
        _ => {
            let text = error.render().to_string();
            print_error(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
            ExitCode::from(USAGE)
        }
    }
}

/// Runs the command; the error is the exit code of a bad configuration.
fn run(
    installation: &impl Installation,
    build: BuildInfo,
    command: PosthornCommand,
    sources: Sources,
) -> Result<ExitCode, ExitCode> {
    let sources = &match &command {
        PosthornCommand::Serve(listen)
        | PosthornCommand::Doctor(listen)
        | PosthornCommand::Config { listen, .. } => listen.over(sources),
        _ => sources,
    };
    Ok(match command {
        PosthornCommand::Serve(_) => installation.serve(load(sources, BAD_CONFIGURATION)?),
        PosthornCommand::Config {
            command: Some(ConfigCommand::Schema),
            ..
        } => print(&format!("{:#}\n", posthorn_config::json_schema())),
        PosthornCommand::Config {
            reference: true, ..
        } => print(&posthorn_config::reference_markdown()),
        PosthornCommand::Config { json: true, .. } => {
            print(&format!("{:#}\n", load(sources, 1)?.json()))
        }
        PosthornCommand::Config { .. } => print(&load(sources, 1)?.table()),
        PosthornCommand::Healthcheck { url } => {
            let option = url.as_ref().map(|_| "--url");
            let url = match url {
                Some(url) => url,
                None => load(sources, 1)?.settings.listen.local_url(),
            };
            block_on(check_health(&url, option))
        }
        PosthornCommand::Doctor(_) => {
            doctor::run(installation, build.date, posthorn_config::load(sources))
        }
        PosthornCommand::Backup { file } => {
            let loaded = load(sources, BAD_CONFIGURATION)?;
            backup::run(installation, &loaded.settings.store.store_url, &file)
        }
        PosthornCommand::Openapi => print(&posthorn_http::openapi_json()),
        PosthornCommand::Token { command } => {
            if let Err(error) = command.check_address() {
                return Ok(fail_call(&error));
            }
            let settings = load(sources, BAD_CONFIGURATION)?.settings;
            token::run(installation, settings, command)
        }
        PosthornCommand::Work(arguments) => block_on(work::run(&arguments)),
        PosthornCommand::Client(command) => block_on(command.run()),
        PosthornCommand::Completions { shell } => packaging::completions(build.version, shell),
        PosthornCommand::Man { command } => packaging::man(build.version, &command),
    })
}

/// Loads the configuration, or prints its errors and returns the exit code `code`.
fn load(sources: &Sources, code: u8) -> Result<Loaded, ExitCode> {
    posthorn_config::load(sources).map_err(|errors| {
        print_error(&format!("bad configuration\n{errors}"));
        ExitCode::from(code)
    })
}
