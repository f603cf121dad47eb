//! A value that cannot be valid is rejected with a text of our own, whichever argument has it.

use clap::error::ErrorKind;
use clap::{Arg, Command};

/// What no value may be, unless any text is allowed: 300 characters, which are not those of a name.
fn invalid() -> String {
    "é ".repeat(150)
}

/// The arguments that take any text, or whose text is checked when the command runs: as it may hold a
/// credential, which an error of clap would repeat.
const FREE: [&str; 13] = [
    "command", "config", "file", "headers", "literal", "receiver", "secret", "text", "token",
    "tokens", "url", "help", "version",
];

/// A valid value of each positional argument before another one.
fn valid(argument: &Arg) -> &'static str {
    match argument.get_id().as_str() {
        "topic" => "jobs",
        "name" => "worker",
        other => panic!("a value for `{other}`"),
    }
}

/// The words that give `argument` an invalid value.
fn words(command: &Command, argument: &Arg) -> Vec<String> {
    if let Some(long) = argument.get_long() {
        return vec![format!("--{long}={}", invalid())];
    }
    let before = command.get_positionals();
    let before = before.take_while(|other| other.get_id() != argument.get_id());
    let mut words: Vec<_> = before.map(|other| valid(other).to_owned()).collect();
    words.push(invalid());
    words
}

/// Checks all arguments of a command and those of the commands below it; returns how many were checked.
fn check(command: &Command) -> usize {
    let mut checked = 0;
    for argument in command.get_arguments() {
        let is_free = FREE.contains(&argument.get_id().as_str());
        if is_free || !argument.get_action().takes_values() {
            continue;
        }
        let mut words = words(command, argument);
        words.insert(0, command.get_name().to_owned());
        let parsed = command.clone().try_get_matches_from(&words);
        let error = parsed.expect_err(&format!("{words:?}"));
        let text = error.render().to_string();
        let kinds = [ErrorKind::ValueValidation, ErrorKind::InvalidValue];
        assert!(kinds.contains(&error.kind()), "{words:?}: {text}");
        let name = argument.to_string();
        let name = name
            .trim_end_matches("...")
            .trim_matches(['[', ']', '<', '>']);
        assert!(text.contains(name), "{name}: {text}");
        assert!(text.contains(&invalid()), "{name}: {text}");
        for foreign in [
            "digit found",
            "invalid float",
            "expected number",
            "is not in ",
        ] {
            assert!(!text.contains(foreign), "{name}: {text}");
        }
        checked += 1;
    }
    checked + command.get_subcommands().map(check).sum::<usize>()
}

#[test]
fn every_argument_says_what_it_takes() {
    let mut command = super::command("1.0");
    command.build();
    let checked = check(&command);
    assert!(checked > 70, "{checked}");
}
