//! The operating system as adapters: its clocks, its randomness, its limit on open files, its signals.

mod clock;
mod open_files;
mod random;
mod signals;

pub use clock::SystemClock;
pub use open_files::limit_connections;
pub use random::ThreadRng;
pub use signals::{StopSignal, StopSignals};
