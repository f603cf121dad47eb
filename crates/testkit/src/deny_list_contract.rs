//! The contract of `DenyList` as tests: every adapter runs every case of it.
//!
//! An adapter implements [`DenyListHarness`] in its own tests and calls
//! [`deny_list_contract_tests!`](crate::deny_list_contract_tests).

pub mod cases;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{Clock, DenyList, MAX_DENIAL_DELAY};
use posthorn_domain::TokenId;

use crate::{FakeClock, eventually};

/// A fresh, empty list for one case.
#[async_trait]
pub trait DenyListHarness: Send + Sync {
    /// The list.
    fn deny_list(&self) -> Arc<dyn DenyList>;

    /// The clock by which ends are given. Where the list keeps time by a clock of its own, `pass`
    /// waits for that one too.
    fn clock(&self) -> &FakeClock;

    /// A handle on the same list such as another process would have; the same handle where
    /// processes share nothing.
    async fn other_process(&self) -> Arc<dyn DenyList> {
        self.deny_list()
    }

    /// Opens the list anew as after a restart; says whether it outlives the process.
    async fn reopen(&mut self) -> bool {
        false
    }

    /// The shortest time that cases tell apart.
    fn unit(&self) -> Duration {
        Duration::from_mins(1)
    }

    /// Lets `duration` pass.
    async fn pass(&self, duration: Duration) {
        self.clock().advance(duration);
    }
}

fn id(text: &str) -> TokenId {
    TokenId::parse(text).unwrap()
}

/// Denies `text` until `duration` from now.
async fn deny(harness: &impl DenyListHarness, text: &str, duration: Duration) {
    let until = harness.clock().now().saturating_add(duration);
    let denied = harness.deny_list().deny(&id(text), until).await;
    denied.unwrap();
}

async fn is_denied(harness: &impl DenyListHarness, text: &str) -> bool {
    harness.deny_list().is_denied(&id(text)).await.unwrap()
}

/// Waits until `list` knows that `text` is denied, no longer than it may take.
async fn becomes_denied(list: &Arc<dyn DenyList>, text: &str) {
    let id = id(text);
    eventually(MAX_DENIAL_DELAY, async || {
        list.is_denied(&id).await.unwrap()
    })
    .await;
}

/// Expands into one `#[tokio::test]` for each case that every list passes.
///
/// The argument is an expression that makes a fresh [`DenyListHarness`]; it may `.await`. The calling
/// crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! deny_list_contract_tests {
    ($harness:expr) => {
        $crate::contract_cases! { deny_list_contract, $harness;
            cases::a_denied_id_is_denied_and_no_other,
            cases::a_denial_ends_when_it_was_said_to,
            cases::denying_again_keeps_the_later_end,
            cases::an_end_that_has_passed_denies_nothing,
            cases::the_longest_denial_is_no_error,
            cases::other_processes_hear_of_it_in_time,
            cases::a_denial_outlives_a_restart,
            cases::many_denials_at_once_are_all_kept,
        }
    };
}
