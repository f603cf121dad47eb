//! Exit codes: 0 done, 1 failed, 2 usage (by clap), 78 bad configuration; and what is printed
//! before.

use std::io::{self, Write};
use std::process::ExitCode;

use posthorn_client::print_error;
use posthorn_config::ConfigErrors;

/// `EX_CONFIG` of BSD's `sysexits.h`.
pub(crate) const BAD_CONFIGURATION: u8 = 78;

/// Prints to standard output. A reader that is gone is not a failure.
pub(crate) fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an error and returns exit code 1.
pub(crate) fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    print_error(&error.to_string());
    ExitCode::FAILURE
}

/// Prints the errors of the configuration and returns this exit code.
pub(crate) fn fail_configuration(errors: &ConfigErrors, code: u8) -> ExitCode {
    print_error(&format!("bad configuration\n{errors}"));
    ExitCode::from(code)
}
