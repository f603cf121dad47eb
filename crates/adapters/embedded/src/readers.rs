//! The threads that read beside the writer.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use posthorn_application::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::fault::{closed, store_error};

/// A read to run on some thread's connection.
type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Hands reads to the threads.
pub(crate) struct Readers {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Starts a thread for each connection; at most `queue` reads wait.
    pub(crate) fn start(connections: Vec<Connection>, queue: usize) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>(queue);
        let waiting = Arc::new(Mutex::new(waiting));
        let start = |connection| {
            let waiting = Arc::clone(&waiting);
            let run = move || run(&connection, &waiting);
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
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody may be there any more to take the answer, or to need it.
            if !reply.is_closed() {
                let _ = reply.send(read(connection));
            }
        });
        jobs.ok_or_else(closed)?
            .send(job)
            .await
            .map_err(|_| closed())?;
        answer
            .await
            .map_err(|_| closed())?
            .map_err(|error| store_error(&error))
    }

    /// Takes no more reads; the threads end after those that wait.
    pub(crate) fn close(&self) {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The threads, to be waited for once.
    pub(crate) fn take_threads(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn run(connection: &Connection, waiting: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // One thread waits for a read, the others for their turn to wait.
        let job = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(job) = job else { return };
        job(connection);
    }
}
