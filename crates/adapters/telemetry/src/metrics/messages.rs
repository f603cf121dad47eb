//! Counts messages by what happened to them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use posthorn_application::{Pruned, StoreUsage};
use posthorn_domain::{ConsumerKey, Durability, MessageId, Receipt, Topic};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{AcceptedLabels, RejectedLabels};
use super::scraped::StoreInfoCollector;
use crate::unreadable::UnreadableMessages;

/// Counts messages that were accepted, replayed, refused and pruned.
#[derive(Clone, Debug)]
pub(crate) struct MessageCounters {
    inbox: ByDurability,
    other: ByDurability,
    replayed: Counter,
    pruned: Counter,
    unreadable: Arc<UnreadableMessages>,
    clock_ahead: Gauge<f64, AtomicU64>,
    topics: Gauge,
    bytes: Gauge,
    info: StoreInfoCollector,
    trapped: Counter,
    rejected: Family<RejectedLabels, Counter>,
}

/// The counters of one class of topics, held so that counting looks nothing up.
#[derive(Clone, Debug)]
struct ByDurability {
    memory: Counter,
    synced: Counter,
    replicated: Counter,
}

impl MessageCounters {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let accepted = Family::default();
        let help = "Messages that were stored";
        registry.register("app_messages_accepted", help, accepted.clone());
        let replayed = Counter::default();
        let help = "Retries that got the first receipt";
        registry.register("app_messages_replayed", help, replayed.clone());
        let pruned = Counter::default();
        let help = "Messages that retention removed";
        registry.register("app_messages_pruned", help, pruned.clone());
        let unreadable = UnreadableMessages::default();
        let help = "Damaged messages that were skipped, each counted once by each process";
        registry.register("app_store_unreadable_records", help, unreadable.counter());
        let clock_ahead = Gauge::default();
        let help =
            "How far the newest id is ahead of the store's clock, after the clock was set back";
        registry.register_with_unit(
            "app_store_clock_ahead",
            help,
            Unit::Seconds,
            clock_ahead.clone(),
        );
        let topics = Gauge::default();
        let help = "Topics of the store, as MAX_TOPICS counts them, at the last round of retention";
        registry.register("app_store_topics", help, topics.clone());
        let bytes = Gauge::default();
        let help = "Bytes of the store, as MAX_STORE_BYTES counts them; 0 for Redis";
        registry.register("app_store_bytes", help, bytes.clone());
        let info = StoreInfoCollector::default();
        registry.register_collector(Box::new(info.clone()));
        let trapped = Counter::default();
        let help = "Forms whose trap for programs was filled: nothing was stored";
        registry.register("app_messages_trapped", help, trapped.clone());
        let rejected = Family::default();
        let help = "Messages that were rejected, by error code";
        registry.register("app_messages_rejected", help, rejected.clone());
        Self {
            inbox: ByDurability::of("inbox", &accepted),
            other: ByDurability::of("other", &accepted),
            replayed,
            pruned,
            unreadable: Arc::new(unreadable),
            clock_ahead,
            topics,
            bytes,
            info,
            trapped,
            rejected,
        }
    }

    /// `count` messages were stored; `receipt` acknowledges the first.
    pub(crate) fn accepted(&self, receipt: &Receipt, count: usize) {
        let class = if receipt.topic.as_str() == Topic::INBOX {
            &self.inbox
        } else {
            &self.other
        };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        class.of_durability(receipt.durability).inc_by(count);
    }

    /// A retry got the receipts of the first request, for `count` messages.
    pub(crate) fn replayed(&self, count: usize) {
        self.replayed
            .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Retention removed messages.
    pub(crate) fn pruned(&self, outcome: &Pruned) {
        self.pruned.inc_by(outcome.removed);
        self.clock_ahead.set(outcome.id_lead.as_secs_f64());
    }

    /// The store holds that much.
    pub(crate) fn usage(&self, usage: &StoreUsage) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.topics.set(gauge(usage.topics));
        self.bytes.set(gauge(usage.bytes.unwrap_or(0)));
        self.info.set(usage.identity);
    }

    /// Messages of `topic` were found damaged.
    pub(crate) fn unreadable(&self, topic: &Topic, ids: &[MessageId]) {
        self.unreadable.report(topic, None, ids);
    }

    /// Messages, or their copies, of a consumer were found damaged.
    pub(crate) fn unreadable_of(&self, key: &ConsumerKey, ids: &[MessageId]) {
        self.unreadable.report(&key.topic, Some(key), ids);
    }

    pub(super) fn trapped(&self) {
        self.trapped.inc();
    }

    pub(super) fn add_rejections(&self, codes: impl IntoIterator<Item = &'static str>) {
        for code in codes {
            let _ = self.rejected.get_or_create(&RejectedLabels { code });
        }
    }

    pub(super) fn rejected(&self, code: &'static str) {
        self.rejected.get_or_create(&RejectedLabels { code }).inc();
    }
}

impl ByDurability {
    fn of(topic_class: &'static str, family: &Family<AcceptedLabels, Counter>) -> Self {
        let counter = |durability: Durability| {
            family.get_or_create_owned(&AcceptedLabels {
                topic_class,
                durability: durability.as_str(),
            })
        };
        Self {
            memory: counter(Durability::Memory),
            synced: counter(Durability::Synced),
            replicated: counter(Durability::Replicated),
        }
    }

    fn of_durability(&self, durability: Durability) -> &Counter {
        match durability {
            Durability::Memory => &self.memory,
            Durability::Synced => &self.synced,
            Durability::Replicated => &self.replicated,
        }
    }
}
