//! Threads that serve requests: the writer runs on one of them, and they stop before the store closes.

use std::sync::Arc;
use std::thread::JoinHandle;

use posthorn_application::{AppendError, Appended, MessageStore};
use posthorn_domain::Topic;
use posthorn_redis::RedisStore;
use posthorn_testkit::{RedisServer, eventually, samples};
use tokio::sync::{mpsc, oneshot};

use crate::support::{PATIENCE, store};

type Outcome = Result<Appended, AppendError>;

/// A thread with a runtime of its own, as those of actix-web.
struct RequestThread {
    requests: mpsc::UnboundedSender<oneshot::Sender<Outcome>>,
    thread: JoinHandle<()>,
}

impl RequestThread {
    fn start(store: &Arc<RedisStore>) -> Self {
        let (requests, mut received) = mpsc::unbounded_channel::<oneshot::Sender<Outcome>>();
        let store = Arc::clone(store);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                while let Some(outcome) = received.recv().await {
                    let append = samples::append(&Topic::inbox(), "text");
                    outcome.send(store.append(append).await).ok();
                }
            });
        });
        Self { requests, thread }
    }

    /// Begins to append a message.
    fn append(&self) -> oneshot::Receiver<Outcome> {
        let (outcome, received) = oneshot::channel();
        self.requests.send(outcome).unwrap();
        received
    }

    /// Ends the thread, which waits for nothing.
    fn end(self) {
        drop(self.requests);
        self.thread.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_does_not_end_with_the_thread_of_another_request() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let [first, second] = [(); 2].map(|()| RequestThread::start(&store));
    first.append().await.unwrap().unwrap();

    // The writer of the first thread has a write of the second.
    server.pause();
    let pending = second.append();
    let leaving = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.leave_request_threads().await }
    });
    server.resume();
    leaving.await.unwrap();
    first.end();

    pending.await.unwrap().unwrap();
    second.append().await.unwrap().unwrap();
    second.end();
    store
        .append(samples::append(&Topic::inbox(), "text"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_ends_without_a_word_delays_no_later_write() {
    let server = RedisServer::start().await;
    let store = store(&server.url()).await;
    let [first, second] = [(); 2].map(|()| RequestThread::start(&store));
    first.append().await.unwrap().unwrap();
    first.end();
    eventually(PATIENCE, async || second.append().await.unwrap().is_ok()).await;
    second.end();
}
