//! The task that hears of appends by any process and wakes this one's followers.
//!
//! Each pipeline of appends announces its topics on one channel, which costs one connection per
//! process however many topics are followed, on a cluster, too: it spreads announcements to all
//! its nodes.

// An announcement may get lost, when the server dies between the append and the announcement or a
// link of the cluster breaks. So the newest ids of the followed topics are looked at every second as
// well, and everyone is woken whenever the connection is lost and found.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use posthorn_domain::Topic;
use redis::Value;
use redis::aio::PubSub;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::directory::Directory;
use super::followers::Followers;
use super::session::Session;
use crate::connector::Connector;
use crate::fault::Fault;
use crate::keys;

/// How often the newest ids are looked at and the connection is tried.
const LOOK: Duration = Duration::from_secs(1);
/// The pauses between attempts to connect: doubled from the first to the last, then shortened at
/// random by up to a half.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// What the task needs.
pub(super) struct Listener {
    pub(super) connector: Arc<Connector>,
    pub(super) directory: Arc<Directory>,
    pub(super) session: Arc<Session>,
    pub(super) followers: Arc<Followers>,
    pub(super) prefix: Arc<str>,
    pub(super) command_timeout: Duration,
    /// Tells whether announcements are heard now.
    pub(super) hears: watch::Sender<bool>,
}

impl Listener {
    /// Listens until it is dropped.
    pub(super) async fn run(self) {
        tokio::join!(self.listen(), self.look());
    }

    async fn listen(&self) {
        let mut attempt = 0_usize;
        let mut warned = false;
        loop {
            match self.subscribe(attempt).await {
                Ok(connection) => {
                    (attempt, warned) = (0, false);
                    self.hears.send_replace(true);
                    // What was appended in the meantime was not heard of.
                    self.followers.wake_all();
                    self.hear(connection).await;
                    self.hears.send_replace(false);
                    self.followers.wake_all();
                    tracing::warn!("lost the connection that wakes streams; connecting again");
                }
                Err(fault) => {
                    self.directory.doubt().await;
                    if !warned {
                        tracing::warn!(?fault, "cannot connect to Redis to wake streams");
                        warned = true;
                    }
                }
            }
            sleep(pause(attempt)).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// Subscribes at one node; at another one with each attempt.
    async fn subscribe(&self, attempt: usize) -> Result<PubSub, Fault> {
        let nodes = self.directory.nodes().await?;
        let node = nodes
            .get(attempt.checked_rem(nodes.len()).unwrap_or_default())
            .ok_or_else(|| Fault::Transient("the cluster has no nodes".to_owned()))?;
        let mut connection = self.connector.open_pubsub(node).await?;
        timeout(
            self.command_timeout,
            connection.subscribe(keys::wake(&self.prefix)),
        )
        .await
        .map_err(|_| Fault::timed_out("a subscription"))?
        .map_err(|error| Fault::of(&error))?;
        Ok(connection)
    }

    /// Wakes followers until the connection is lost.
    async fn hear(&self, connection: PubSub) {
        let (mut commands, mut messages) = connection.split();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { return };
                    if let Ok(names) = std::str::from_utf8(message.get_payload_bytes()) {
                        names.lines().for_each(|name| self.followers.wake(name));
                    }
                }
                // A connection may be dead without anyone having said so.
                _ = look.tick() => {
                    let pong = timeout(self.command_timeout, commands.ping::<Value>()).await;
                    if !matches!(pong, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    /// Looks at the newest ids of the followed topics, time and again.
    async fn look(&self) {
        let mut seen = HashMap::new();
        loop {
            sleep(LOOK).await;
            match self.look_once(&seen).await {
                Ok(found) => seen = found,
                // Losing the server is noticed and reported where announcements are heard.
                Err(fault) => tracing::debug!(?fault, "cannot look at the newest ids"),
            }
        }
    }

    /// Wakes the followers of topics whose newest id is not the one `seen` the last time.
    async fn look_once(
        &self,
        seen: &HashMap<Topic, Value>,
    ) -> Result<HashMap<Topic, Value>, Fault> {
        let topics = self.followers.topics();
        let commands: Vec<_> = topics
            .iter()
            .map(|topic| {
                let mut command = redis::cmd("XREVRANGE");
                let key = keys::messages(&self.prefix, topic);
                command.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
                (keys::topic_slot(topic), command)
            })
            .collect();
        let answers = self.session.each(&commands).await?;
        let mut found = HashMap::with_capacity(topics.len());
        for (topic, newest) in topics.into_iter().zip(answers) {
            let Ok(newest) = newest else { continue };
            if seen.get(&topic) != Some(&newest) {
                self.followers.wake(topic.as_str());
            }
            found.insert(topic, newest);
        }
        Ok(found)
    }
}

fn pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.min(16)).unwrap_or(16);
    let pause = FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(LAST_PAUSE);
    pause.mul_f64(rand::random_range(0.5..=1.0))
}
