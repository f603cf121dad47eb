//! Timers for deadlines that mostly move later.
//!
//! Gap: actix-http has one timer for each of its own states and none to share. A tokio timer that each request sets
//! and drops takes the lock of the timer wheel twice; these are set once and again only after they fired too early.
//! Red without it: `any_deadline_is_kept_whichever_came_before`.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for a deadline that mostly moves later. The task that polled last may be woken for a deadline that no
/// longer holds.
#[derive(Debug, Default)]
pub(crate) struct DeadlineTimer(Option<Pin<Box<Sleep>>>);

/// The timer that the requests of a connection share, as they run one after the other. Every request has it as
/// `conn_data`.
#[derive(Clone, Debug, Default)]
pub struct SharedDeadline(Rc<RefCell<DeadlineTimer>>);

impl DeadlineTimer {
    /// Ready once `deadline` has passed; until then the task of `cx` is woken no later than that.
    pub(crate) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        // An earlier deadline must be set at once, or the task would be woken too late.
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            // The timer fired for an earlier deadline: set it for this one, and poll again to register the waker.
            sleep.as_mut().reset(deadline);
        }
    }
}

impl SharedDeadline {
    /// Ready once `deadline` has passed; until then the task of `cx` is woken no later than that.
    pub fn poll(&self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.0.borrow_mut().poll(deadline, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn any_deadline_is_kept_whichever_came_before() {
        let shared = SharedDeadline::default();
        for (before, deadline) in [(60, 10), (10, 60), (10, 10), (60, 60)] {
            let start = Instant::now();
            let at = |seconds| start + Duration::from_secs(seconds);
            poll_fn(|cx| {
                assert!(shared.poll(at(before), cx).is_pending());
                Poll::Ready(())
            })
            .await;
            poll_fn(|cx| shared.poll(at(deadline), cx)).await;
            assert_eq!(start.elapsed().as_secs(), deadline, "{before} before");
        }
    }
}
