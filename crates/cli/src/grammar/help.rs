//! What the help of each command ends with: examples, and where to read on.

use std::fmt::Write;

use clap::Command;

/// One example per line, which belongs to the command that it calls and to those above it.
pub(super) const EXAMPLES: &str = include_str!("examples.txt");

/// Printed with the help of `posthorn` itself.
const ROOT: &str = "\
Without a command posthorn runs the server, as `posthorn serve` does.

Exit codes:
   0  done
   1  failed, or rejected in a way that another try does not change
   2  wrong use of the command line
  75  not now: the server is unreachable, busy or limits the client; try again later
  78  the configuration is invalid

Examples:
  posthorn                      # a server on http://127.0.0.1:5000/
  posthorn send 'Hello'
  posthorn tail inbox -n 10
  posthorn doctor
";

/// Where the documentation is.
const DOCUMENTATION: &str =
    "Documentation: docs/CLI.md in the source, and /docs/ on a running server.";

/// Adds the examples to the help of a command and of all below it. `path` has the names of the commands
/// above it.
pub(super) fn add(command: Command, path: &str) -> Command {
    let path = format!("{path} {}", command.get_name())
        .trim_start()
        .to_owned();
    let examples = if path.contains(' ') {
        examples(&path)
    } else {
        ROOT.to_owned()
    };
    let text = |help: Option<String>| {
        let help = help.map(|help| format!("{}\n\n", help.trim_end()));
        format!("{}{examples}\n{DOCUMENTATION}", help.unwrap_or_default())
    };
    let short = command.get_after_help().map(ToString::to_string);
    let long = command.get_after_long_help().map(ToString::to_string);
    let command = match long {
        Some(long) => command.after_long_help(text(Some(long))),
        None => command,
    };
    let command = command.after_help(text(short));
    command.mut_subcommands(|below| add(below, &path))
}

/// The examples of the command with this path.
fn examples(path: &str) -> String {
    let mut text = String::from("Examples:\n");
    for line in EXAMPLES.lines().filter(|line| calls(line, path)) {
        // Writing into a `String` cannot fail.
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// True if the line calls the command, or one below it.
fn calls(line: &str, path: &str) -> bool {
    let line = format!("{} ", line.split('#').next().unwrap_or_default().trim());
    line.starts_with(&format!("{path} ")) || line.contains(&format!(" {path} "))
}
