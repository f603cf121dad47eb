//! The contract of `ConsumerStore` as tests: every store runs every case of it.
//!
//! A store implements [`ConsumerHarness`] beside [`StoreHarness`] in its own tests and calls
//! [`consumer_contract_tests!`](crate::consumer_contract_tests), and the other macros that apply.

pub mod clocks;
pub mod counts;
pub mod damage;
pub mod dead_letters;
pub mod deliveries;
pub mod leases;
pub mod limits;
pub mod order;
pub mod positions;
pub mod registry;
pub mod removals;
pub mod restarts;
pub mod seeks;
mod support;
pub mod watches;

use std::sync::Arc;

use async_trait::async_trait;
use posthorn_application::ConsumerStore;

use crate::store_contract::StoreHarness;

/// A fresh, empty store with consumers for one case.
#[async_trait]
pub trait ConsumerHarness: StoreHarness {
    /// The consumers of [`StoreHarness::store`].
    fn consumers(&self) -> Arc<dyn ConsumerStore>;

    /// A handle on the same data such as another process would have; the same handle where
    /// processes share nothing.
    async fn other_consumers(&self) -> Arc<dyn ConsumerStore> {
        self.consumers()
    }
}

/// Expands into one `#[tokio::test]` for each case that every store passes, with any clock.
///
/// The argument is an expression that makes a fresh [`ConsumerHarness`]; it may `.await`. The
/// calling crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! consumer_contract_tests {
    ($harness:expr) => {
        $crate::contract_cases! { consumer_contract, $harness;
            registry::a_consumer_is_created_with_its_settings,
            registry::a_put_replaces_the_settings_and_keeps_the_rest,
            registry::a_precondition_is_decided_with_the_put,
            registry::a_precondition_is_decided_with_the_deletion,
            registry::consumers_are_listed_by_name_and_kind,
            registry::topics_with_consumers_are_listed_by_name,
            registry::a_topic_has_at_most_sixty_four_consumers,
            registry::an_absent_consumer_is_not_found,
            registry::a_deleted_consumer_leaves_nothing,
            registry::concurrent_puts_create_one_consumer,
            positions::oldest_starts_with_what_is_held,
            positions::newest_starts_with_what_comes_later,
            positions::an_id_is_exclusive,
            positions::a_time_is_inclusive,
            positions::a_position_in_the_future_is_rejected,
            positions::the_start_counts_only_at_creation,
            order::messages_come_once_in_store_order,
            order::consumers_of_one_topic_share_nothing,
            order::redeliveries_come_before_new_messages,
            order::the_largest_pull_leases_two_hundred,
            order::concurrent_pulls_share_the_messages,
            order::processes_share_a_consumer,
            order::a_pull_announces_what_is_left,
            leases::an_acknowledged_message_never_comes_again,
            leases::a_token_settles_once,
            leases::a_token_of_another_lease_is_stale,
            leases::a_rejected_message_comes_again_with_the_next_attempt,
            leases::a_rejected_message_waits_for_its_delay,
            leases::an_expired_lease_is_stale_and_its_message_comes_again,
            leases::an_extended_lease_holds_longer,
            leases::a_lease_may_be_shortened,
            leases::given_back_leases_do_not_count_as_attempts,
            leases::giving_back_takes_the_leases_of_one_pull,
            leases::released_leases_do_not_count_as_attempts,
            leases::a_release_takes_the_valid_leases_it_names,
            leases::concurrent_acknowledgements_settle_once,
            limits::a_pull_of_long_messages_ends_at_its_bytes,
            limits::a_page_of_long_dead_letters_ends_at_its_bytes,
            limits::max_in_flight_bounds_the_leases,
            limits::concurrent_pulls_stay_within_max_in_flight,
            limits::a_lower_max_in_flight_leaves_leases_valid,
            limits::the_first_dead_letters_are_dropped_above_the_limit,
            limits::a_thousand_waiting_entries_are_counted_exactly,
            dead_letters::a_message_dies_after_its_last_attempt,
            dead_letters::a_message_dies_of_expired_leases,
            dead_letters::dead_letters_come_page_by_page,
            dead_letters::a_redriven_message_comes_first_with_attempt_one,
            dead_letters::a_redrive_takes_two_hundred,
            dead_letters::a_redrive_names_unknown_ids,
            dead_letters::a_redriven_message_may_die_again,
            dead_letters::a_deleted_dead_letter_is_gone,
            dead_letters::dead_letters_keep_the_whole_message,
            deliveries::a_message_has_a_state_after_each_step,
            deliveries::a_delayed_message_shows_when_it_is_due,
            deliveries::consumers_have_states_of_their_own,
            deliveries::a_message_that_is_not_held_has_no_state,
            deliveries::a_skipped_message_is_settled,
            deliveries::a_dead_message_that_is_new_again_is_waiting,
            counts::counts_follow_every_step,
            counts::the_oldest_waiting_message_dates_the_backlog,
            counts::a_pull_is_dated_also_when_it_is_empty,
            removals::a_deleted_message_waits_no_more,
            removals::a_deleted_message_can_still_be_acknowledged,
            removals::a_deleted_message_is_not_redelivered,
            removals::a_deleted_message_does_not_die,
            removals::messages_deleted_together_wait_no_more,
            removals::a_bulk_deletion_leaves_copies_of_other_messages,
            removals::retention_of_new_messages_is_missed,
            removals::retention_of_waiting_messages_is_missed,
            removals::retention_of_settled_messages_is_not_missed,
            removals::retention_of_a_leased_message_is_missed_when_the_lease_ends,
            removals::retention_of_a_leased_message_that_is_acknowledged_is_not_missed,
            removals::retention_leaves_copies,
            removals::a_deleted_redriven_message_waits_no_more,
            removals::a_dead_letter_outlives_the_deletion_of_its_message,
            seeks::a_seek_back_hands_out_again_with_attempt_one,
            seeks::a_seek_forward_skips,
            seeks::a_seek_makes_leases_stale,
            seeks::a_seek_keeps_dead_letters_and_counters,
            seeks::a_redrive_after_a_seek_hands_out_once,
            seeks::a_second_death_replaces_the_dead_letter,
            seeks::a_seek_keeps_redriven_copies_after_the_position,
            seeks::a_seek_over_a_removed_lease_counts_it_as_missed,
            seeks::an_acknowledged_message_comes_again_only_after_a_seek,
            watches::an_append_wakes_a_watcher,
            watches::every_step_that_frees_a_message_wakes_a_watcher,
            watches::a_deletion_wakes_a_watcher,
            watches::a_dropped_wait_misses_nothing,
            watches::another_process_wakes_a_watcher,
            watches::a_closed_store_is_unavailable,
        }
    };
}

/// As [`consumer_contract_tests!`], the cases for a store that reads a [`FakeClock`](crate::FakeClock).
#[macro_export]
macro_rules! consumer_clock_tests {
    ($harness:expr) => {
        $crate::contract_cases! { consumer_contract, $harness;
            clocks::a_lease_ends_to_the_millisecond,
            clocks::an_extension_counts_from_now,
            clocks::a_backoff_counts_from_the_end_of_the_lease,
            clocks::the_backoff_follows_its_schedule,
            clocks::a_delay_is_exact,
            clocks::entries_come_by_due_time_and_then_in_store_order,
            clocks::counts_are_of_the_moment,
            clocks::an_expired_lease_is_waiting_or_dead,
            clocks::the_next_due_time_is_announced,
            clocks::an_expired_lease_follows_the_settings_before_a_put,
            clocks::an_expired_lease_dies_before_its_message_is_removed,
            clocks::a_clock_that_is_set_back_makes_leases_longer,
            clocks::retention_ends_no_lease_while_the_clock_is_set_back,
        }
    };
}

/// As [`consumer_contract_tests!`], the cases for a store whose data outlives it.
#[macro_export]
macro_rules! consumer_restart_tests {
    ($harness:expr) => {
        $crate::contract_cases! { consumer_contract, $harness;
            restarts::settings_and_positions_survive_a_restart,
            restarts::acknowledgements_survive_a_restart,
            restarts::attempts_and_reasons_survive_a_restart,
            restarts::dead_letters_survive_a_restart,
            restarts::redriven_copies_survive_a_restart,
            restarts::counters_survive_a_restart,
            restarts::a_leased_message_survives_a_restart,
        }
    };
}

/// Expands into a test that compares a store and its consumers with a model, over random sequences
/// of operations.
///
/// `cases` is how many sequences are run, each on a fresh store.
#[macro_export]
macro_rules! consumer_model_tests {
    (cases = $cases:expr, $harness:expr) => {
        #[test]
        fn the_consumers_behave_as_their_model() {
            $crate::consumer_model::run::check($cases, async || $harness);
        }
    };
}
