//! The Posthorn binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    posthorn::main()
}
