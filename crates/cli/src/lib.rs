//! The command line: its grammar, and the commands that work without a server, such as `doctor`.
//!
//! The binary provides the server and the adapters through the trait [`Installation`], so that no command
//! names an adapter but that of the operating system.

mod commands;
mod grammar;
mod installation;
mod runtime;

pub use commands::main;
pub use installation::{BuildInfo, FileInspection, Installation, OperatorStore, RedisCheck};
pub use runtime::build as build_runtime;
