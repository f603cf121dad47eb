//! The signals that stop the process. SIGXFSZ ends nothing.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The number of SIGXFSZ, which a write beyond `ulimit -f` raises, on every supported platform.
const FILE_SIZE_LIMIT: i32 = 25;

/// A listener for the signals that stop the process.
#[derive(Debug)]
pub struct StopSignals {
    listeners: Vec<(StopSignal, Signal)>,
    _file_size_limit: Signal,
}

/// A signal that stops the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM, as from Kubernetes.
    Terminate,
    /// SIGINT, as from a terminal.
    Interrupt,
    /// SIGHUP, as from a terminal that closes.
    Hangup,
    /// SIGQUIT, as from a terminal, or the stop signal of some images.
    Quit,
}

impl StopSignals {
    /// Starts to listen. From here on the signals no longer end the process by themselves. SIGHUP and
    /// SIGQUIT stay ignored where the parent process ignores them, as `nohup` does.
    ///
    /// # Errors
    /// The operating system rejects a listener.
    pub fn listen() -> io::Result<Self> {
        let ignored = ignored_signals();
        let mut listeners = Vec::new();
        for stop in StopSignal::ALL {
            let is_ignored = ignored & (1 << (stop.number() - 1)) != 0;
            if !(stop.may_be_ignored() && is_ignored) {
                let kind = SignalKind::from_raw(stop.number().into());
                listeners.push((stop, signal(kind)?));
            }
        }
        Ok(Self {
            listeners,
            // With a listener the write fails instead, as it does on a full disk.
            _file_size_limit: signal(SignalKind::from_raw(FILE_SIZE_LIMIT))?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> StopSignal {
        poll_fn(|cx| {
            for (stop, signal) in &mut self.listeners {
                if signal.poll_recv(cx).is_ready() {
                    return Poll::Ready(*stop);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl StopSignal {
    const ALL: [Self; 4] = [Self::Terminate, Self::Interrupt, Self::Hangup, Self::Quit];

    /// The number, the same on every supported platform.
    const fn number(self) -> u8 {
        match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Quit => 3,
            Self::Terminate => 15,
        }
    }

    const fn may_be_ignored(self) -> bool {
        matches!(self, Self::Hangup | Self::Quit)
    }

    /// The exit code of a process that this signal ended: 128 and the number of the signal.
    pub const fn exit_code(self) -> u8 {
        128 + self.number()
    }

    /// Ends the process without cleaning up, as a second signal requests.
    #[expect(
        clippy::disallowed_methods,
        reason = "the operator requested the stop twice"
    )]
    pub fn exit_now(self) {
        std::process::exit(i32::from(self.exit_code()));
    }
}

/// The signals that this process inherited as ignored, as the bits of `SigIgn` in Linux's `/proc`; none
/// on other systems.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or_default()
}
