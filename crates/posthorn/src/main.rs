//! The Posthorn binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request allocates some forty times, and much of that is freed by another worker: retention lets
/// go of what any of them has stored.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    posthorn::main()
}
