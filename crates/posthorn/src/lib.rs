//! The binary as a library: command line, composition, signals, supervision. The only crate that
//! names two adapters.

pub mod cli;
mod commands;
pub mod compose;
mod exit;
mod open_files;
mod runtime;
mod signals;
mod supervisor;
mod system_clock;
mod telemetry;

pub use commands::main;
pub use system_clock::SystemClock;
