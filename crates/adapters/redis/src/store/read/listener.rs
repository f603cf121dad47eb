//! The tasks that receive announcements and wake the subscriptions of this process.
//!
//! Each write pipeline publishes its topics on one channel, so one connection serves all followed topics. The
//! changes of webhooks, which every process follows, are on another. An announcement can be lost: so each second
//! a part of the followed topics is polled, and a lost connection wakes all, as its return does.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use posthorn_application::{ConsumerNotifier, TopicNotifier, WebhookNotifier};
use posthorn_domain::{Backoff, Topic};
use redis::Value;
use redis::aio::PubSub;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::cluster::directory::SlotDirectory;
use crate::cluster::sessions::Sessions;
use crate::deployment::connector::Connector;
use crate::failure::RedisFailure;
use crate::keys;

/// The interval of polling the newest ids and of pinging the connection.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The most topics of one poll: polling thousands of idle topics costs little.
const MAX_POLLED: usize = 128;
/// The waits between attempts to connect.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// What a task listens to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcements {
    /// Topics and consumers with something new.
    Messages,
    /// Changes of the set of webhooks.
    Webhooks,
}

/// The state of the task.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) kind: Announcements,
    pub(crate) connector: Arc<Connector>,
    pub(crate) directory: Arc<SlotDirectory>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) topics: Arc<TopicNotifier>,
    pub(crate) consumers: Arc<ConsumerNotifier>,
    pub(crate) webhooks: Arc<WebhookNotifier>,
    pub(crate) prefix: Arc<str>,
    pub(crate) command_timeout: Duration,
}

impl Listener {
    /// Runs until it is dropped. `connected` is true while announcements are received.
    pub(crate) async fn run(self, connected: watch::Sender<bool>) {
        let listening = self.listen(&connected);
        match self.kind {
            Announcements::Messages => drop(tokio::join!(listening, self.poll())),
            Announcements::Webhooks => listening.await,
        }
    }

    async fn listen(&self, connected: &watch::Sender<bool>) {
        let mut backoff = BACKOFF;
        let (mut warned, mut lost) = (false, false);
        let woken = match self.kind {
            Announcements::Messages => "streams",
            Announcements::Webhooks => "webhooks",
        };
        loop {
            let primary = self.connector.primary_version().await;
            match self.subscribe(backoff.attempts()).await {
                Ok(connection) => {
                    backoff.reset();
                    if lost || warned {
                        tracing::info!("connected to Redis to wake {woken}");
                    }
                    warned = false;
                    connected.send_replace(true);
                    // The announcements before the subscription were missed.
                    self.notify_all();
                    self.receive(connection, primary).await;
                    connected.send_replace(false);
                    self.notify_all();
                    lost = true;
                    tracing::warn!("lost the connection that wakes {woken}; connecting again");
                }
                Err(failure) => {
                    self.directory.invalidate_if_stale().await;
                    if !warned {
                        let error = failure.into_message();
                        tracing::warn!(error, "cannot connect to Redis to wake {woken}");
                        warned = true;
                    }
                }
            }
            sleep(backoff.next_wait()).await;
        }
    }

    /// Subscribes at one node, at another one with each attempt.
    async fn subscribe(&self, attempt: u32) -> Result<PubSub, RedisFailure> {
        let channel = match self.kind {
            Announcements::Messages => keys::wake(&self.prefix),
            Announcements::Webhooks => keys::wake_webhooks(&self.prefix),
        };
        let nodes = self.directory.nodes().await?;
        let turn = usize::try_from(attempt).unwrap_or_default();
        let node = nodes
            .get(turn.checked_rem(nodes.len()).unwrap_or_default())
            .ok_or_else(|| RedisFailure::Transient("the cluster has no nodes".to_owned()))?;
        let mut connection = self.connector.open_pubsub(node).await?;
        timeout(self.command_timeout, connection.subscribe(channel))
            .await
            .map_err(|_| RedisFailure::timed_out("a subscription"))?
            .map_err(|error| RedisFailure::from_error(&error))?;
        Ok(connection)
    }

    /// Wakes subscriptions until the connection is lost, or leads to a primary that was demoted after
    /// the version `primary`.
    async fn receive(&self, connection: PubSub, primary: Result<u64, RedisFailure>) {
        let (mut commands, mut messages) = connection.split();
        let mut poll = interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { return };
                    match (self.kind, std::str::from_utf8(message.get_payload_bytes())) {
                        (Announcements::Messages, Ok(names)) => self.notify(names),
                        (Announcements::Messages, Err(_)) => {}
                        (Announcements::Webhooks, _) => self.webhooks.notify(),
                    }
                }
                // A dead connection may never report an error.
                _ = poll.tick() => {
                    let pong = timeout(self.command_timeout, commands.ping::<Value>()).await;
                    let is_lost = !matches!(pong, Ok(Ok(_)));
                    if is_lost || self.connector.primary_version().await != primary {
                        return;
                    }
                }
            }
        }
    }

    /// Wakes the subscriptions of the announced topics and consumers.
    fn notify(&self, names: &str) {
        let (consumers, topics): (Vec<_>, Vec<_>) =
            names.lines().partition(|name| name.contains('/'));
        self.notify_topics(&topics);
        for key in consumers.into_iter().filter_map(keys::announced_consumer) {
            self.consumers.notify(&key);
        }
    }

    fn notify_topics(&self, names: &[&str]) {
        self.topics.notify(names.iter().copied());
        self.consumers.notify_topics(names.iter().copied());
    }

    fn notify_all(&self) {
        match self.kind {
            Announcements::Messages => {
                self.topics.notify_all();
                self.consumers.notify_all();
            }
            Announcements::Webhooks => self.webhooks.notify(),
        }
    }

    async fn poll(&self) {
        let mut newest = HashMap::new();
        let mut round = PollRound::default();
        loop {
            sleep(POLL_INTERVAL).await;
            let topics = round.next(self.topics.topics());
            // `listen` logs and handles the loss of the server.
            if let Err(failure) = self.poll_once(&topics, &mut newest).await {
                tracing::debug!(?failure, "cannot look at the newest ids");
            }
            if round.is_complete() {
                let followed: HashSet<_> = self.topics.topics().into_iter().collect();
                newest.retain(|topic, _| followed.contains(topic));
            }
        }
    }

    /// Wakes the subscriptions of those `topics` whose newest id differs from the one in `newest`, and
    /// remembers the new one there.
    async fn poll_once(
        &self,
        topics: &[Topic],
        newest: &mut HashMap<Topic, Option<Value>>,
    ) -> Result<(), RedisFailure> {
        let commands: Vec<_> = topics
            .iter()
            .map(|topic| {
                let mut command = redis::cmd("XREVRANGE");
                let key = keys::messages(&self.prefix, topic);
                command.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
                (keys::topic_slot(topic), command)
            })
            .collect();
        let replies = self.sessions.each(&commands).await?;
        for (topic, reply) in topics.iter().zip(replies) {
            let Ok(entries) = reply else { continue };
            let id = entry_id(entries);
            if newest.get(topic) != Some(&id) {
                self.notify_topics(&[topic.as_str()]);
                newest.insert(topic.clone(), id);
            }
        }
        Ok(())
    }
}

/// The id of the only entry that a range has.
fn entry_id(entries: Value) -> Option<Value> {
    let Value::Array(entries) = entries else {
        return None;
    };
    match entries.into_iter().next() {
        Some(Value::Array(entry)) => entry.into_iter().next(),
        _ => None,
    }
}

/// A round over all followed topics, of which each poll takes the next ones.
#[derive(Debug, Default)]
struct PollRound {
    /// The last topic that was polled in this round.
    last: Option<Topic>,
}

impl PollRound {
    /// The next of `topics`, at most [`MAX_POLLED`].
    fn next(&mut self, mut topics: Vec<Topic>) -> Vec<Topic> {
        topics.sort_unstable();
        let start = match &self.last {
            Some(last) => topics.partition_point(|topic| topic <= last),
            None => 0,
        };
        topics.drain(..start);
        let is_last = topics.len() <= MAX_POLLED;
        topics.truncate(MAX_POLLED);
        self.last = if is_last {
            None
        } else {
            topics.last().cloned()
        };
        topics
    }

    /// True after the poll of the last topics of a round.
    const fn is_complete(&self) -> bool {
        self.last.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_polls_each_topic_once_and_few_at_a_time() {
        let topics: Vec<_> = (0..300)
            .map(|number| Topic::parse(&format!("t{number:03}")).unwrap())
            .collect();
        let mut shuffled = topics.clone();
        shuffled.reverse();
        let mut round = PollRound::default();
        let mut polled = Vec::new();
        for size in [MAX_POLLED, MAX_POLLED, 300 - 2 * MAX_POLLED] {
            let next = round.next(shuffled.clone());
            assert_eq!(next.len(), size);
            polled.extend(next);
        }
        assert_eq!(polled, topics);
        assert!(round.is_complete());
        assert_eq!(round.next(topics.clone())[0], topics[0]);
        // The topics after the last polled one can be gone.
        assert_eq!(round.next(topics[..5].to_vec()), []);
        assert!(round.is_complete());
    }
}
