//! Standard input, output and error of the commands.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use tokio::io::Interest;
use tokio::net::unix::pipe;

use crate::error::ClientError;

/// The most that is read from standard input: the largest body that a server can be configured to
/// accept.
const MAX_INPUT_BYTES: u64 = 16 << 20;

/// Prints to standard output. A reader that is gone is not a failure.
pub fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an error and returns exit code 1.
pub fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    print_error(&error.to_string());
    ExitCode::FAILURE
}

/// Prints why a call failed, and returns the exit code of [`ClientError::exit_code`].
pub fn fail_call(error: &ClientError) -> ExitCode {
    print_error(&error.to_string());
    error.exit_code()
}

/// Prints a line for people to standard error.
pub fn print_error(text: &str) {
    // `eprintln!` panics if standard error is full or has no reader. Neither can be reported, and
    // neither is a reason to stop.
    let _ = writeln!(io::stderr(), "posthorn: {text}");
}

/// Reads all of standard input as UTF-8, at most 16 MiB.
///
/// # Errors
/// A text for people.
pub fn read_input() -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = io::stdin()
        .take(MAX_INPUT_BYTES + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| format!("standard input: {error}"))?;
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(format!("standard input: over {MAX_INPUT_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| format!("standard input is not UTF-8: {error}"))
}

/// Waits until standard output has no reader. Without this, a command that waits for a message
/// would notice only when it prints the message.
pub(crate) async fn wait_until_output_closes() {
    // A duplicate of the descriptor need not be non-blocking, because it is only waited for. A
    // file cannot be waited for, and has no reader.
    if let Ok(output) = io::stdout().as_fd().try_clone_to_owned()
        && let Ok(output) = pipe::Sender::from_owned_fd_unchecked(output)
        && output.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// The text with its control characters escaped. Unescaped, a line feed would let a sender forge a
/// line, other characters would control the terminal, and bidirectional controls would reorder the
/// line.
pub(crate) fn escape_control(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_bidirectional_control(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// True for the characters with the Unicode property `Bidi_Control`, and the line and paragraph
/// separators.
fn is_bidirectional_control(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Names damaged messages, on standard error.
pub(crate) fn report_damaged<'a>(ids: impl Iterator<Item = &'a str>) {
    for id in ids {
        let id = escape_control(id);
        print_error(&format!("a stored message is damaged and not shown: {id}"));
    }
}
