//! The Posthorn binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request makes some forty allocations. Many of them are freed by another thread, because
/// retention removes messages that any thread has stored.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    posthorn::main()
}
