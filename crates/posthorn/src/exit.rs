//! Exit codes: 0 done, 1 failed, 2 usage (by clap), 78 bad configuration.

use std::process::ExitCode;

use posthorn_client::print_error;
use posthorn_config::ConfigErrors;

/// `EX_CONFIG` of BSD's `sysexits.h`.
pub(crate) const BAD_CONFIGURATION: u8 = 78;

/// Prints the errors of the configuration and returns this exit code.
pub(crate) fn fail_configuration(errors: &ConfigErrors, code: u8) -> ExitCode {
    print_error(&format!("bad configuration\n{errors}"));
    ExitCode::from(code)
}
