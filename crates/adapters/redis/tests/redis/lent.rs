//! Servers that cases use one after another: a start takes longer than most cases, that of a cluster seconds.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use posthorn_testkit::{RedisCluster, RedisServer};

/// Servers that one case has for itself, empty at first. They are for the next case when this is dropped, but for those
/// of a case that failed.
pub(crate) struct Lent<T: Lendable>(Option<T>);

/// Servers that are in memory only, and differ in their data alone.
pub(crate) trait Lendable: Sized + Send + 'static {
    /// Those that no case has. They end with the test process.
    fn free() -> &'static Mutex<Vec<Self>>;

    async fn start_new() -> Self;

    fn servers(&self) -> &[RedisServer];
}

impl Lendable for RedisServer {
    fn free() -> &'static Mutex<Vec<Self>> {
        static FREE: Mutex<Vec<RedisServer>> = Mutex::new(Vec::new());
        &FREE
    }

    async fn start_new() -> Self {
        Self::start().await
    }

    fn servers(&self) -> &[RedisServer] {
        std::slice::from_ref(self)
    }
}

impl Lendable for RedisCluster {
    fn free() -> &'static Mutex<Vec<Self>> {
        static FREE: Mutex<Vec<RedisCluster>> = Mutex::new(Vec::new());
        &FREE
    }

    async fn start_new() -> Self {
        Self::start().await
    }

    fn servers(&self) -> &[RedisServer] {
        self.nodes()
    }
}

impl<T: Lendable> Lent<T> {
    pub(crate) async fn lend() -> Self {
        let free = T::free()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let Some(servers) = free else {
            return Self(Some(T::start_new().await));
        };
        for server in servers.servers() {
            forget_all(server).await;
        }
        Self(Some(servers))
    }
}

/// Ends all connections, so that nothing of the last case writes any more, and removes what it left.
async fn forget_all(server: &RedisServer) {
    let commands: [&[&str]; 4] = [
        &["CLIENT", "KILL", "TYPE", "normal"],
        &["CLIENT", "KILL", "TYPE", "pubsub"],
        &["FLUSHALL", "SYNC"],
        &["SCRIPT", "FLUSH", "SYNC"],
    ];
    for command in commands {
        server.command(command).await.unwrap();
    }
}

impl<T: Lendable> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("they are there until the drop")
    }
}

impl<T: Lendable> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(servers) = self.0.take().filter(|_| !std::thread::panicking()) {
            let mut free = T::free().lock().unwrap_or_else(PoisonError::into_inner);
            free.push(servers);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lent_server_is_as_new() {
    let server = RedisServer::start().await;
    let command = async |words: &[&str]| server.command(words).await.unwrap();
    command(&["SET", "key", "value"]).await;
    let sha = command(&["SCRIPT", "LOAD", "return 1"]).await;
    forget_all(&server).await;
    assert_eq!(command(&["DBSIZE"]).await, "0");
    assert_eq!(command(&["SCRIPT", "EXISTS", &sha]).await, "0");
}
