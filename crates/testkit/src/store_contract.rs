//! The contract of `MessageStore` as tests: every adapter runs every case of it.
//!
//! An adapter implements [`StoreHarness`] in its own tests and calls
//! [`store_contract_tests!`](crate::store_contract_tests), and the other macros that apply to it.

pub mod batches;
pub mod caps;
pub mod clocks;
pub mod cursors;
pub mod deletions;
pub mod idempotency;
pub mod lifecycle;
pub mod order;
pub mod pages;
pub mod records;
pub mod restarts;
pub mod retention;
pub mod subscriptions;
mod support;
pub mod topics;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::MessageStore;

use crate::fake_clock::FakeClock;

/// The time limit of one case.
const PATIENCE: Duration = Duration::from_mins(3);

/// A fresh, empty store for one case, and the environment of that case.
#[async_trait]
pub trait StoreHarness: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn MessageStore>;

    /// A handle of another process on the same data; the same handle if processes share nothing.
    async fn other_process(&self) -> Arc<dyn MessageStore> {
        self.store()
    }

    /// The clock that the store reads; `None` if it reads a real clock.
    fn clock(&self) -> Option<&FakeClock> {
        None
    }

    /// Closes the store and opens the same data again. Returns `false`, without effect, if the store
    /// does not survive that.
    async fn reopen(&mut self) -> bool {
        false
    }

    /// Loses the data, and puts an empty store in its place. Returns `false`, without effect, if it cannot.
    async fn lose(&mut self) -> bool;

    /// The shortest time that cases distinguish. With a real clock a case waits for it, and it must be
    /// longer than the delays of a busy machine.
    fn unit(&self) -> Duration {
        if self.clock().is_some() {
            Duration::from_mins(1)
        } else {
            Duration::from_secs(1)
        }
    }

    /// Lets `duration` pass by the store's clock.
    async fn pass(&self, duration: Duration) {
        match self.clock() {
            Some(clock) => clock.advance(duration),
            None => tokio::time::sleep(duration).await,
        }
    }
}

/// Runs one case; the macros call it.
///
/// # Panics
/// If the case fails, or does not end within three minutes.
pub async fn run_case(case: impl Future<Output = ()>) {
    tokio::time::timeout(PATIENCE, case)
        .await
        .expect("the case ends within three minutes");
}

/// Expands into one `#[tokio::test]` for each case that every store passes.
///
/// The argument is an expression that makes a fresh [`StoreHarness`]; it may `.await`. The calling
/// crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_contract_tests {
    ($harness:expr) => {
        $crate::contract_cases! { store_contract, $harness;
            order::ids_grow_in_the_order_of_appends,
            order::concurrent_appends_get_different_ids,
            order::a_message_is_readable_before_its_append_returns,
            order::no_smaller_id_becomes_visible_later,
            order::topics_do_not_mix,
            records::a_message_comes_back_as_it_was_sent,
            records::a_receipt_names_what_was_stored,
            records::a_message_is_dated_by_the_time_of_the_store,
            records::an_unknown_message_is_not_found,
            records::a_deleted_message_is_gone_for_good,
            deletions::the_oldest_messages_are_deleted_up_to_the_limit,
            deletions::only_messages_before_the_id_are_deleted,
            deletions::a_bulk_deletion_is_no_gap,
            deletions::a_topic_can_be_emptied_and_filled_again,
            pages::an_empty_topic_has_empty_pages,
            pages::a_page_has_the_messages_next_to_its_anchor,
            pages::a_page_steps_over_deleted_messages,
            pages::a_walk_in_either_direction_returns_each_message_once,
            pages::the_largest_page_has_two_hundred_messages,
            pages::a_page_of_long_messages_ends_at_its_bytes,
            cursors::a_cursor_after_the_newest_id_is_truncated,
            cursors::a_cursor_of_an_unknown_topic_is_truncated,
            cursors::a_cursor_at_a_deleted_message_is_not_truncated,
            cursors::a_time_after_the_newest_message_is_not_truncated,
            cursors::a_cursor_of_a_lost_store_is_truncated,
            idempotency::a_retry_returns_the_first_receipt_and_stores_nothing,
            idempotency::a_key_used_for_another_message_is_rejected,
            idempotency::a_key_is_scoped_to_its_topic,
            idempotency::a_key_outlives_its_message,
            idempotency::a_key_expires_after_its_ttl,
            idempotency::concurrent_appends_of_one_key_store_one_message,
            idempotency::equal_messages_without_a_key_are_all_stored,
            batches::a_batch_is_stored_in_order_with_consecutive_ids,
            batches::each_message_of_a_batch_keeps_its_own,
            batches::a_retry_of_a_batch_returns_its_receipts_and_stores_nothing,
            batches::a_key_is_one_key_for_batches_and_single_messages,
            batches::concurrent_batches_do_not_mix,
            batches::a_reader_sees_a_batch_as_a_whole,
            batches::a_batch_wakes_a_subscriber,
            batches::the_largest_batch_is_stored,
            topics::topics_are_listed_by_name_in_pages,
            topics::topics_are_listed_in_ranges_of_names,
            topics::a_topic_is_listed_while_it_has_a_message,
            subscriptions::an_append_wakes_every_subscriber,
            subscriptions::an_append_before_the_wait_is_not_missed,
            subscriptions::a_dropped_wait_misses_nothing,
            subscriptions::a_subscriber_reads_every_message_once,
            subscriptions::short_lived_subscriptions_do_not_affect_others,
            retention::pruning_by_count_keeps_the_newest,
            retention::pruning_by_age_keeps_the_recent,
            retention::pruning_ends_at_its_budget_and_reports_more,
            retention::pruning_leaves_what_the_policy_keeps,
            retention::a_page_is_truncated_where_retention_removed_messages,
            retention::a_page_is_not_truncated_by_a_delete,
            retention::an_emptied_topic_is_still_truncated,
            retention::a_page_after_the_newest_pruned_message_is_not_truncated,
            retention::a_topic_emptied_by_a_delete_names_what_retention_removed,
            lifecycle::an_open_store_is_healthy,
            lifecycle::a_closed_store_is_unavailable,
        }
    };
}

/// As [`store_contract_tests!`], the cases for a store that reads a [`FakeClock`].
#[macro_export]
macro_rules! store_clock_tests {
    ($harness:expr) => {
        $crate::contract_cases! { store_contract, $harness;
            clocks::ids_grow_when_the_wall_clock_goes_back,
            clocks::messages_are_dated_by_the_clock,
            clocks::the_age_limit_is_exact,
            clocks::a_jump_of_the_wall_clock_removes_nothing,
            clocks::a_wall_clock_that_was_behind_removes_nothing,
            clocks::a_steady_wall_clock_is_believed,
        }
    };
}

/// As [`store_contract_tests!`], the cases for a store whose data outlives it.
#[macro_export]
macro_rules! store_restart_tests {
    ($harness:expr) => {
        $crate::contract_cases! { store_contract, $harness;
            restarts::messages_survive_a_restart,
            restarts::ids_keep_growing_after_a_restart,
            batches::a_batch_survives_a_restart,
            restarts::keys_survive_a_restart,
            restarts::truncation_survives_a_restart,
            restarts::a_jump_over_a_restart_removes_nothing,
            restarts::retention_continues_after_a_long_stop,
        }
    };
}

/// Expands into a test that compares a store with a model, over random sequences of operations.
///
/// `cases` is how many sequences are run, each on a fresh store.
#[macro_export]
macro_rules! store_model_tests {
    (cases = $cases:expr, $harness:expr) => {
        #[test]
        fn the_store_behaves_as_its_model() {
            $crate::check_model($cases, async || $harness);
        }
    };
}

/// Expands into one `#[tokio::test]` for each case of a contract.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_cases {
    ($contract:ident, $harness:expr; $($group:ident::$case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let case = async { $crate::$contract::$group::$case($harness).await };
                $crate::run_case(case).await;
            }
        )+
    };
}
