//! SIGTERM and SIGINT: the first one drains, the second one ends the process at once. SIGXFSZ ends
//! nothing.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a write beyond `ulimit -f` raises; the number is the same wherever this runs.
const FILE_SIZE_LIMIT: i32 = 25;

/// Listens for the signals that ask the process to stop.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    _file_size_limit: Signal,
}

/// A signal that asks the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGTERM, as from Kubernetes.
    Terminate,
    /// SIGINT, as from a terminal.
    Interrupt,
}

impl StopSignals {
    /// Starts to listen; from here on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            // With somebody who listens the write fails, as it does on a full disk.
            _file_size_limit: signal(SignalKind::from_raw(FILE_SIZE_LIMIT))?,
        })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.interrupt.recv() => StopSignal::Interrupt,
        }
    }
}

impl StopSignal {
    /// The status of a process that this signal ends: 128 and the signal's number.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}
