//! The queue of log lines between those who log and the thread that writes.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// How long the writing thread rests after each batch, and so about the most a line is late.
///
/// Lines that come meanwhile find the thread awake, so that logging one costs no wake-up (a system
/// call), and a batch costs one write. Without the rest almost every line pays for both.
const REST: Duration = Duration::from_millis(10);
/// A batch is written in pieces of at most about this many bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// The bound on writing what is queued when the guard is dropped.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The count of the queue that the whole process logs to.
static PROCESS_LOG: OnceLock<ErrorCounter> = OnceLock::new();

/// Writes to `out`, on a thread of its own, the lines that come through the returned writer, at
/// most `lines` of them waiting.
///
/// A line that finds the queue full is dropped and counted: a reader of `out` that stands still
/// must not stop the server. A gap is logged once, when it is over.
pub(crate) fn start(out: impl Write + Send + 'static, lines: usize) -> (NonBlocking, QueueGuard) {
    let dropped = Arc::new(OnceLock::new());
    let batches = BatchWriter {
        out: BufWriter::with_capacity(BATCH_BYTES, out),
        dropped: Arc::clone(&dropped),
        seen: 0,
        reported: 0,
    };
    let (writer, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(lines)
        .lossy(true)
        .thread_name("log-writer")
        .finish(batches);
    let counter = writer.error_counter();
    // It was empty: nobody else holds it for writing.
    let _ = dropped.set(counter.clone());
    (
        writer,
        QueueGuard {
            worker: Some(worker),
            counter,
        },
    )
}

/// How many lines the log of this process has dropped; `None` before it is set up.
pub(crate) fn dropped_lines() -> Option<usize> {
    PROCESS_LOG.get().map(ErrorCounter::dropped_lines)
}

/// Keeps the queue going; writes what is queued when it is dropped, within [`FLUSH_TIMEOUT`].
pub(crate) struct QueueGuard {
    worker: Option<WorkerGuard>,
    counter: ErrorCounter,
}

impl QueueGuard {
    /// Makes this the queue that [`dropped_lines`] speaks of.
    pub(crate) fn serves_the_process(&self) {
        let _ = PROCESS_LOG.set(self.counter.clone());
    }
}

impl Drop for QueueGuard {
    fn drop(&mut self) {
        let worker = self.worker.take();
        let (done, flushed) = mpsc::channel::<()>();
        // The worker's own guard prints to standard output when that stands still, and would wait
        // for it without end: it may do that on a thread that nobody waits for.
        let flush = move || {
            drop(worker);
            drop(done);
        };
        if thread::Builder::new()
            .name("log-flush".to_owned())
            .spawn(flush)
            .is_ok()
        {
            let _ = flushed.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// Gathers lines into batches. The worker calls `flush` whenever it has emptied the queue.
struct BatchWriter<W: Write> {
    out: BufWriter<W>,
    dropped: Arc<OnceLock<ErrorCounter>>,
    /// How many lines had been dropped at the end of the last batch.
    seen: usize,
    /// How many dropped lines were logged.
    reported: usize,
}

impl<W: Write> BatchWriter<W> {
    /// Logs the dropped lines once a batch has gone by in which no more were dropped.
    fn report_dropped(&mut self) {
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        if dropped == self.seen && dropped > self.reported {
            let lines = dropped - self.reported;
            self.reported = dropped;
            tracing::warn!(lines, "log lines were dropped: the output was too slow");
        }
        self.seen = dropped;
    }
}

impl<W: Write> Write for BatchWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "it paces a thread, no test waits for it, and the `Clock` port is asynchronous"
    )]
    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.out.flush();
        self.report_dropped();
        thread::sleep(REST);
        outcome
    }
}

#[cfg(test)]
mod tests {
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

    /// A queue to an output that stands still, and how many lines it took to overflow it.
    fn overflow(out: &Written) -> (mpsc::Sender<()>, QueueGuard, usize) {
        let (opener, gate) = mpsc::channel();
        let out = out.clone();
        let (mut writer, guard) = start(Gated { gate, out }, 4);
        let mut sent = 0;
        while guard.counter.dropped_lines() == 0 {
            writer.write_all(b"line\n").unwrap();
            sent += 1;
        }
        (opener, guard, sent)
    }

    #[test]
    fn lines_that_find_no_room_are_dropped_and_counted_and_the_others_written() {
        let out = Written::default();
        let (opener, guard, sent) = overflow(&out);
        let dropped = guard.counter.dropped_lines();
        drop(opener);
        drop(guard);
        let written = out.pieces().concat().lines().count();
        assert_eq!(written + dropped, sent);
    }

    #[test]
    fn a_gap_is_logged_once_when_it_is_over() {
        let (opener, guard, _) = overflow(&Written::default());
        let mut batches = BatchWriter {
            out: BufWriter::new(io::sink()),
            dropped: Arc::new(OnceLock::from(guard.counter.clone())),
            seen: 0,
            reported: 0,
        };
        let log = Written::default();
        let writer = log.clone();
        let layer = BunyanLayer::new("a-name", move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            batches.flush().unwrap();
            assert_eq!(log.pieces().len(), 0, "it may last");
            batches.flush().unwrap();
            batches.flush().unwrap();
        });
        let lines = log.pieces();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("\"lines\":1"), "{lines:?}");
        drop(opener);
        drop(guard);
    }

    #[test]
    fn lines_keep_their_order() {
        let out = Written::default();
        let (mut writer, guard) = start(out.clone(), 1000);
        let mut expected = String::new();
        for number in 0..1000 {
            let line = format!("{number}\n");
            writer.write_all(line.as_bytes()).unwrap();
            expected.push_str(&line);
        }
        drop(guard);
        assert_eq!(out.pieces().concat(), expected);
    }
}
