//! The Posthorn binary: command line, composition, supervision. The only crate that names two
//! adapters.

mod cli;
mod commands;
mod compose;
mod supervisor;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request makes some forty allocations. Many of them are freed by another thread, because
/// retention removes messages that any thread has stored.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    commands::main()
}
