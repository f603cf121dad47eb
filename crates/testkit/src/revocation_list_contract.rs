//! The contract of `RevocationList` as tests: every adapter runs every case of it.
//!
//! An adapter implements [`RevocationListHarness`] in its own tests and calls
//! [`revocation_list_contract_tests!`](crate::revocation_list_contract_tests).

pub mod cases;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use posthorn_application::{Clock, MAX_REVOCATION_DELAY, RevocationList};
use posthorn_domain::TokenId;

use crate::eventually::eventually;
use crate::fake_clock::FakeClock;

/// A fresh, empty list for one case.
#[async_trait]
pub trait RevocationListHarness: Send + Sync {
    /// The list.
    fn revocation_list(&self) -> Arc<dyn RevocationList>;

    /// The clock of the deadlines. If the list has a clock of its own, `pass` waits for that one too.
    fn clock(&self) -> &FakeClock;

    /// A handle of another process on the same list; the same handle if processes share nothing.
    async fn other_process(&self) -> Arc<dyn RevocationList> {
        self.revocation_list()
    }

    /// Opens the list again, as after a restart; returns true if it survives the process.
    async fn reopen(&mut self) -> bool {
        false
    }

    /// The shortest time that cases distinguish.
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

/// Revokes `text` for `duration` from now.
async fn revoke(harness: &impl RevocationListHarness, text: &str, duration: Duration) {
    let until = harness.clock().now().saturating_add(duration);
    let revoked = harness.revocation_list().revoke(&id(text), until).await;
    revoked.unwrap();
}

async fn is_revoked(harness: &impl RevocationListHarness, text: &str) -> bool {
    harness
        .revocation_list()
        .is_revoked(&id(text))
        .await
        .unwrap()
}

/// Waits until `text` is revoked in `list`, at most for the allowed delay.
async fn becomes_revoked(list: &Arc<dyn RevocationList>, text: &str) {
    let id = id(text);
    eventually(MAX_REVOCATION_DELAY, async || {
        list.is_revoked(&id).await.unwrap()
    })
    .await;
}

/// Expands into one `#[tokio::test]` for each case that every list passes.
///
/// The argument is an expression that makes a fresh [`RevocationListHarness`]; it may `.await`. The calling
/// crate needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! revocation_list_contract_tests {
    ($harness:expr) => {
        $crate::contract_cases! { revocation_list_contract, $harness;
            cases::a_revoked_id_is_revoked_and_no_other,
            cases::a_revocation_ends_at_its_deadline,
            cases::revoking_again_keeps_the_later_end,
            cases::an_end_that_has_passed_revokes_nothing,
            cases::a_jump_of_the_wall_clock_forgets_nothing,
            cases::the_longest_revocation_is_no_error,
            cases::other_processes_see_it_in_time,
            cases::a_revocation_survives_a_restart,
            cases::concurrent_revocations_are_all_kept,
        }
    };
}
