//! The queue of log lines, with a thread that writes them.
//!
//! Queued lines are bytes in one buffer, so logging a line allocates nothing and a batch is one write. `tracing-appender`
//! allocates each line and wakes its thread for each (`examples/log_cost.rs`, docs/decisions/0010).

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{mem, thread};

use tracing_subscriber::fmt::MakeWriter;

/// How long the writing thread sleeps after each batch, which is also about the most that a line is delayed.
///
/// Lines that are queued meanwhile need no wake-up, which is a system call, and share one write. Without the pause
/// almost every line would pay for both.
const BATCH_PAUSE: Duration = Duration::from_millis(10);
/// The memory that a buffer keeps after a batch, in bytes.
const KEPT_CAPACITY: usize = 512 * 1024;
/// The most time for writing the queued lines when the guard is dropped.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The queue of the process's log.
static PROCESS_LOG: OnceLock<Arc<Queue>> = OnceLock::new();

/// The state that producers and the writing thread share.
struct Queue {
    /// The most bytes of queued lines.
    capacity: usize,
    state: Mutex<QueueState>,
    /// Notified at the first line after an idle time, and at the end.
    changed: Condvar,
    /// Notified once everything is written.
    finished: Condvar,
}

#[derive(Default)]
struct QueueState {
    /// Whole lines.
    lines: Vec<u8>,
    /// How many lines were dropped since the start.
    dropped: u64,
    /// True while the thread waits for the next line.
    is_idle: bool,
    is_closed: bool,
    is_finished: bool,
}

/// Queues lines, each written in one call, and never waits for the output.
#[derive(Clone)]
pub(crate) struct LineWriter(Arc<Queue>);

/// Keeps the queue open. Dropping it writes the queued lines, within [`FLUSH_TIMEOUT`].
pub(crate) struct QueueGuard(Arc<Queue>);

/// Logs how many lines were dropped.
#[derive(Debug, Default)]
struct DropReporter {
    /// The number of dropped lines at the end of the last batch.
    seen: u64,
    /// The number of dropped lines in the reports so far.
    reported: u64,
}

/// Starts a thread that writes the lines of the returned writer to `out`; at most `capacity` bytes of them are queued.
///
/// A line beyond that is dropped and counted, as an output that blocks must not block the server. The number of dropped
/// lines is logged once no more are dropped.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(
    out: impl Write + Send + 'static,
    capacity: usize,
) -> io::Result<(LineWriter, QueueGuard)> {
    let queue = Arc::new(Queue {
        capacity,
        state: Mutex::default(),
        changed: Condvar::new(),
        finished: Condvar::new(),
    });
    let writing = Arc::clone(&queue);
    thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(move || writing.write_all_to(out))?;
    Ok((LineWriter(Arc::clone(&queue)), QueueGuard(queue)))
}

/// How many lines the log of the process has dropped; `None` without a log.
pub(crate) fn dropped_lines() -> Option<u64> {
    PROCESS_LOG.get().map(|queue| queue.lock().dropped)
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // No holder of the lock panics while the state is inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.is_closed || line.len() > self.capacity.saturating_sub(state.lines.len()) {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        let wake = mem::take(&mut state.is_idle);
        drop(state);
        if wake {
            self.changed.notify_one();
        }
    }

    /// The loop of the writing thread. A batch is lost if the output fails, as there is no place to report that.
    fn write_all_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        let mut reporter = DropReporter::default();
        while let Some(dropped) = self.next(&mut batch) {
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
            batch.shrink_to(KEPT_CAPACITY);
            reporter.report(dropped);
            self.pause();
        }
        self.lock().is_finished = true;
        self.finished.notify_all();
    }

    /// Waits for lines and moves them into `batch`; returns how many were dropped so far, `None` at the end.
    fn next(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let mut state = self.lock();
        while state.lines.is_empty() {
            if state.is_closed {
                return None;
            }
            state.is_idle = true;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        mem::swap(&mut state.lines, batch);
        Some(state.dropped)
    }

    /// Sleeps so that lines gather, unless the queue is closed.
    fn pause(&self) {
        let is_open = |state: &mut QueueState| !state.is_closed;
        let paused = self
            .changed
            .wait_timeout_while(self.lock(), BATCH_PAUSE, is_open);
        drop(paused);
    }
}

impl Write for &LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl QueueGuard {
    /// Makes this the queue of [`dropped_lines`].
    pub(crate) fn set_as_process_log(&self) {
        let _ = PROCESS_LOG.set(Arc::clone(&self.0));
    }
}

impl Drop for QueueGuard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        self.0.changed.notify_one();
        let unfinished = |state: &mut QueueState| !state.is_finished;
        let finished = self
            .0
            .finished
            .wait_timeout_while(state, FLUSH_TIMEOUT, unfinished);
        drop(finished);
    }
}

impl DropReporter {
    /// Logs the dropped lines after a batch during which no more were dropped.
    fn report(&mut self, dropped: u64) {
        if dropped == self.seen && dropped > self.reported {
            let lines = dropped - self.reported;
            self.reported = dropped;
            tracing::warn!(lines, "log lines were dropped: the output was too slow");
        }
        self.seen = dropped;
    }
}
