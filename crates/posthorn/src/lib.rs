//! The composition of Posthorn: the only place that knows every adapter.

pub mod cli;
mod client;
pub mod compose;
pub mod config;
mod healthcheck;
mod open_files;
mod run;
mod signals;
mod supervisor;
mod system_clock;
mod token;

pub use run::main;
pub use system_clock::SystemClock;
