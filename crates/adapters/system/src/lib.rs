//! The operating system as adapters: its clocks, its randomness, its limit on open files, its disks, its
//! signals; and the tasks of the process.

mod clock;
mod disk;
mod open_files;
mod random;
mod signals;
mod supervisor;

pub use clock::SystemClock;
pub use disk::{DiskRoom, disk_room};
pub use open_files::{limit_connections, limit_webhook_requests};
pub use random::ThreadRng;
pub use signals::{StopSignal, StopSignals};
pub use supervisor::Supervisor;
