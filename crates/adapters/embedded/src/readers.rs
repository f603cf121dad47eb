//! The threads that read beside the writer.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use posthorn_application::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::{closed, store_error};
use crate::file::log_index::LogIndex;

/// A read, to run on the connection of any thread.
type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// The reading threads and their queue.
pub(crate) struct Readers {
    jobs: Mutex<Option<mpsc::Sender<ReadJob>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The state of one thread. The index is dropped after the connection.
struct Reader {
    connection: Connection,
    index: Option<Arc<LogIndex>>,
}

impl Readers {
    /// Starts a thread for each connection. At most `queue` reads wait.
    pub(crate) fn start(
        connections: Vec<Connection>,
        index: Option<&Arc<LogIndex>>,
        queue: usize,
    ) -> io::Result<Self> {
        let (jobs, queued) = mpsc::channel::<ReadJob>(queue);
        let queued = Arc::new(Mutex::new(queued));
        let start = |connection| {
            let queued = Arc::clone(&queued);
            let index = index.map(Arc::clone);
            let reader = Reader { connection, index };
            let run = move || reader.run(&queued);
            std::thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(run)
        };
        let threads = connections
            .into_iter()
            .map(start)
            .collect::<io::Result<_>>()?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            threads: Mutex::new(threads),
        })
    }

    /// Runs `read` on one of the threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let jobs = self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (reply, result) = oneshot::channel();
        let job: ReadJob = Box::new(move |connection| {
            // Skips a read whose caller no longer waits.
            if !reply.is_closed() {
                let _ = reply.send(read(connection));
            }
        });
        jobs.ok_or_else(closed)?
            .send(job)
            .await
            .map_err(|_| closed())?;
        result
            .await
            .map_err(|_| closed())?
            .map_err(|error| store_error(&error))
    }

    /// Rejects further reads. The threads end after the queued ones.
    pub(crate) fn close(&self) {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Removes and returns the threads, to be joined.
    pub(crate) fn take_threads(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reader {
    fn run(self, queued: &Mutex<mpsc::Receiver<ReadJob>>) {
        loop {
            // One thread waits for a job; the others wait for the lock.
            let job = queued
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .blocking_recv();
            let Some(job) = job else { return };
            if let Some(Err(error)) = self.index.as_ref().map(|index| index.restore()) {
                tracing::debug!(%error, "the length of the index cannot be checked");
            }
            job(&self.connection);
        }
    }
}
