//! The contract of `WebhookStore` as tests: every store runs every case of it.
//!
//! A store implements [`WebhookHarness`] beside [`ConsumerHarness`] in its own tests and calls
//! [`webhook_contract_tests!`](crate::webhook_contract_tests), and the other macro that applies.

pub mod attempts;
pub mod caps;
pub mod damage;
pub mod registry;
pub mod requeues;
pub mod restarts;
mod support;
pub mod watches;

use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::WebhookStore;

use crate::consumer_contract::ConsumerHarness;

/// A fresh, empty store with webhooks for one case.
#[async_trait]
pub trait WebhookHarness: ConsumerHarness {
    /// The webhooks of [`crate::StoreHarness::store`].
    fn webhooks(&self) -> Arc<dyn WebhookStore>;

    /// A handle on the same data such as another process would have; the same handle where
    /// processes share nothing.
    async fn other_webhooks(&self) -> Arc<dyn WebhookStore> {
        self.webhooks()
    }
}

/// Expands into one `#[tokio::test]` for each case that every store passes, with any clock.
///
/// The argument is an expression that makes a fresh [`WebhookHarness`]; it may `.await`. The
/// calling crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! webhook_contract_tests {
    ($harness:expr) => {
        $crate::contract_cases! { webhook_contract, $harness;
            registry::a_webhook_is_created_with_its_record,
            registry::a_put_replaces_the_record_and_keeps_the_rest,
            registry::a_precondition_is_decided_with_the_put,
            registry::webhooks_are_listed_by_name,
            registry::an_absent_webhook_is_not_found,
            registry::a_consumer_without_a_record_is_no_webhook,
            registry::a_deleted_webhook_leaves_nothing,
            registry::webhooks_count_among_the_consumers_of_a_topic,
            registry::concurrent_puts_create_one_webhook,
            attempts::the_health_follows_the_attempts,
            attempts::every_sequence_of_attempts_gives_the_same_health,
            attempts::the_last_hundred_attempts_are_kept,
            attempts::attempts_of_concurrent_calls_all_count,
            attempts::attempts_count_for_their_incarnation_only,
            attempts::a_webhook_is_disabled_and_enabled_once,
            attempts::a_disabled_webhook_leases_nothing,
            requeues::settled_messages_wait_again,
            requeues::messages_that_are_not_settled_stay,
            requeues::both_ends_of_the_range_are_included,
            requeues::skipped_messages_wait_too,
            requeues::a_requeue_goes_on_where_it_stopped,
            requeues::a_second_requeue_changes_nothing,
            requeues::a_requeued_message_may_be_removed,
            requeues::messages_come_again_with_all_they_have,
            watches::every_change_wakes_a_subscription,
            watches::attempts_and_messages_wake_no_subscription,
            watches::another_process_wakes_a_subscription,
            watches::a_requeue_wakes_a_watcher,
            watches::a_closed_store_is_unavailable,
        }
    };
}

/// As [`webhook_contract_tests!`], the cases for a store whose data outlives it.
#[macro_export]
macro_rules! webhook_restart_tests {
    ($harness:expr) => {
        $crate::contract_cases! { webhook_contract, $harness;
            restarts::a_webhook_survives_a_restart,
            restarts::requeued_messages_survive_a_restart,
        }
    };
}
