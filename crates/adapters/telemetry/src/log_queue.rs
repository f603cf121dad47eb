//! The queue of log lines between those who log and the thread that writes.
//!
//! Lines wait as bytes in one buffer, so that logging one allocates nothing and a batch is one write.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{mem, thread};

use tracing_subscriber::fmt::MakeWriter;

/// How long the writing thread rests after each batch, and so about the most a line is late.
///
/// Lines that come meanwhile cost no wake-up (a system call), and a batch costs one write. Without
/// the rest almost every line pays for both.
const REST: Duration = Duration::from_millis(10);
/// What a buffer keeps of its memory after a batch, in bytes.
const KEPT_BYTES: usize = 512 * 1024;
/// The bound on writing what is queued when the guard is dropped.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The queue that the whole process logs to.
static PROCESS_LOG: OnceLock<Arc<Queue>> = OnceLock::new();

/// What producers and the writing thread share.
struct Queue {
    /// The most that may wait, in bytes.
    capacity: usize,
    waiting: Mutex<Waiting>,
    /// Tells the thread of the first line after none, and of the end.
    changed: Condvar,
    /// Tells the guard that everything is written.
    finished: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// Whole lines.
    lines: Vec<u8>,
    /// Lines that found no room, since the start.
    dropped: u64,
    /// The thread sleeps until the next line.
    is_idle: bool,
    is_closed: bool,
    is_finished: bool,
}

/// Takes lines, each written in one call; never waits for the output.
#[derive(Clone)]
pub(crate) struct LineWriter(Arc<Queue>);

/// Keeps the queue going; writes what is queued when it is dropped, within [`FLUSH_TIMEOUT`].
pub(crate) struct QueueGuard(Arc<Queue>);

/// Counts the gaps that were logged.
#[derive(Debug, Default)]
struct Gaps {
    /// How many lines had been dropped at the end of the last batch.
    seen: u64,
    /// How many dropped lines were logged.
    reported: u64,
}

/// Writes to `out`, on a thread of its own, the lines that come through the returned writer, at
/// most `capacity` bytes of them waiting.
///
/// A line that finds no room is dropped and counted: a reader of `out` that stands still must not
/// stop the server. A gap is logged once, when it is over.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(
    out: impl Write + Send + 'static,
    capacity: usize,
) -> io::Result<(LineWriter, QueueGuard)> {
    let queue = Arc::new(Queue {
        capacity,
        waiting: Mutex::default(),
        changed: Condvar::new(),
        finished: Condvar::new(),
    });
    let writing = Arc::clone(&queue);
    thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(move || writing.write_all_to(out))?;
    Ok((LineWriter(Arc::clone(&queue)), QueueGuard(queue)))
}

/// How many lines the log of this process has dropped; `None` before it is set up.
pub(crate) fn dropped_lines() -> Option<u64> {
    PROCESS_LOG.get().map(|queue| queue.lock().dropped)
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that holds it panics half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.is_closed || line.len() > self.capacity.saturating_sub(waiting.lines.len()) {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        let wake = mem::take(&mut waiting.is_idle);
        drop(waiting);
        if wake {
            self.changed.notify_one();
        }
    }

    /// What the thread does. An output that fails loses the batch: there is nowhere to say so.
    fn write_all_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        let mut gaps = Gaps::default();
        while let Some(dropped) = self.next(&mut batch) {
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
            gaps.report(dropped);
            self.rest();
        }
        self.lock().is_finished = true;
        self.finished.notify_all();
    }

    /// Takes what waits, and says how many lines were dropped so far; waits until there is
    /// something. `None` at the end.
    fn next(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() {
            if waiting.is_closed {
                return None;
            }
            waiting.is_idle = true;
            waiting = self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_idle = false;
        mem::swap(&mut waiting.lines, batch);
        Some(waiting.dropped)
    }

    /// Lets lines gather, unless it is the end.
    fn rest(&self) {
        let is_open = |waiting: &mut Waiting| !waiting.is_closed;
        let rested = self.changed.wait_timeout_while(self.lock(), REST, is_open);
        drop(rested);
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
    /// Makes this the queue that [`dropped_lines`] speaks of.
    pub(crate) fn serves_the_process(&self) {
        let _ = PROCESS_LOG.set(Arc::clone(&self.0));
    }
}

impl Drop for QueueGuard {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.is_closed = true;
        self.0.changed.notify_one();
        let unfinished = |waiting: &mut Waiting| !waiting.is_finished;
        let finished = self
            .0
            .finished
            .wait_timeout_while(waiting, FLUSH_TIMEOUT, unfinished);
        drop(finished);
    }
}

impl Gaps {
    /// Logs the dropped lines once a batch has gone by in which no more were dropped.
    fn report(&mut self, dropped: u64) {
        if dropped == self.seen && dropped > self.reported {
            let lines = dropped - self.reported;
            self.reported = dropped;
            tracing::warn!(lines, "log lines were dropped: the output was too slow");
        }
        self.seen = dropped;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::bunyan::BunyanLayer;
    use crate::written::Written;

    /// An output that stands still until the other end of its gate is dropped.
    struct Gated {
        gate: mpsc::Receiver<()>,
        out: Written,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.gate.recv();
            self.out.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_find_no_room_are_dropped_and_counted_and_the_others_written() {
        let out = Written::default();
        let (opener, gate) = mpsc::channel();
        let gated = Gated {
            gate,
            out: out.clone(),
        };
        let (writer, guard) = start(gated, 20).unwrap();
        let mut sent = 0;
        while guard.0.lock().dropped == 0 {
            (&writer).write_all(b"line\n").unwrap();
            sent += 1;
        }
        drop(opener);
        drop(guard);
        let written = out.pieces().concat().lines().count();
        assert!((4..=8).contains(&written), "{written} of {sent}");
        assert_eq!(written + 1, sent);
    }

    #[test]
    fn what_comes_after_the_end_is_counted_as_dropped() {
        let out = Written::default();
        let (writer, guard) = start(out.clone(), 20).unwrap();
        let queue = Arc::clone(&guard.0);
        drop(guard);
        (&writer).write_all(b"late\n").unwrap();
        assert_eq!(queue.lock().dropped, 1);
        assert_eq!(out.pieces().len(), 0);
    }

    #[test]
    fn a_gap_is_logged_once_when_it_is_over() {
        let log = Written::default();
        let writer = log.clone();
        let layer = BunyanLayer::new("a-name", move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let mut gaps = Gaps::default();
            gaps.report(1);
            assert_eq!(log.pieces().len(), 0, "it may last");
            gaps.report(1);
            gaps.report(1);
        });
        let lines = log.pieces();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("\"lines\":1"), "{lines:?}");
    }

    #[test]
    fn lines_keep_their_order() {
        let out = Written::default();
        let (writer, guard) = start(out.clone(), 10_000).unwrap();
        let mut expected = String::new();
        for number in 0..1000 {
            let line = format!("{number}\n");
            (&writer).write_all(line.as_bytes()).unwrap();
            expected.push_str(&line);
        }
        drop(guard);
        assert_eq!(out.pieces().concat(), expected);
    }
}
