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
/// must not stop the server. The gap is logged once there is room again.
pub(crate) fn start(out: impl Write + Send + 'static, lines: usize) -> (NonBlocking, QueueGuard) {
    let dropped = Arc::new(OnceLock::new());
    let batches = BatchWriter {
        out: BufWriter::with_capacity(BATCH_BYTES, out),
        dropped: Arc::clone(&dropped),
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
    reported: usize,
}

impl<W: Write> BatchWriter<W> {
    fn report_dropped(&mut self) {
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        if dropped > self.reported {
            let lines = dropped - self.reported;
            self.reported = dropped;
            tracing::warn!(lines, "log lines were dropped: the output was too slow");
        }
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
