//! SIGTERM and SIGINT: the first drains, the second ends the process at once. SIGXFSZ ends nothing.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The number of SIGXFSZ, which a write beyond `ulimit -f` raises, on every supported platform.
const FILE_SIZE_LIMIT: i32 = 25;

/// A listener for the signals that stop the process.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    _file_size_limit: Signal,
}

/// A signal that stops the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGTERM, as from Kubernetes.
    Terminate,
    /// SIGINT, as from a terminal.
    Interrupt,
}

impl StopSignals {
    /// Starts to listen. From here on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            // With a listener the write fails instead, as it does on a full disk.
            _file_size_limit: signal(SignalKind::from_raw(FILE_SIZE_LIMIT))?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.interrupt.recv() => StopSignal::Interrupt,
        }
    }
}

impl StopSignal {
    /// The exit code of a process that this signal ended: 128 and the number of the signal.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }

    /// Ends the process without cleaning up, as a second signal requests.
    #[expect(
        clippy::disallowed_methods,
        reason = "the operator requested the stop twice"
    )]
    pub(crate) fn exit_now(self) {
        std::process::exit(i32::from(self.exit_code()));
    }
}
