//! The binary as a library: command line, composition, signals, supervision. The only crate that
//! names two adapters.

pub mod cli;
mod commands;
pub mod compose;
mod exit;
mod runtime;
mod supervisor;
mod telemetry;

pub use commands::main;
