//! Timers for deadlines that mostly move later.
//!
//! Gap: actix-http has one timer for each of its own states and none to share. A tokio timer that each request sets
//! and drops takes the lock of the timer wheel twice; these are set once and again only after they fired too early.
//! Red without it: `any_deadline_is_kept_whichever_came_before`.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for a deadline that mostly moves later. The task that polled last may be woken for a deadline that no
/// longer holds.
#[derive(Debug, Default)]
pub(crate) struct DeadlineTimer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// What the timer wakes when it fires.
    waker: Option<Waker>,
}

/// The timer that the requests of a connection share, as they run one after the other. Every request has it as
/// `conn_data`.
#[derive(Clone, Debug, Default)]
pub struct SharedDeadline(Rc<RefCell<DeadlineTimer>>);

impl DeadlineTimer {
    /// Ready once `deadline` has passed; until then the task of `cx` is woken no later than that.
    pub(crate) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        // A timer that is set and wakes this task in time needs no poll, which costs as much as all else here.
        let wakes = |waker: &Waker| waker.will_wake(cx.waker());
        let is_set = self.waker.as_ref().is_some_and(wakes) && !sleep.is_elapsed();
        if is_set && sleep.deadline() <= deadline {
            return Poll::Pending;
        }
        self.waker = Some(cx.waker().clone());
        // An earlier deadline must be set at once, or the task would be woken too late.
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                // A task that has used up its budget was woken, and the timer was not set.
                if !has_budget_remaining() {
                    self.waker = None;
                }
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

    use tokio::task::coop::poll_proceed;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_first_polled_at_the_end_of_the_budget_is_kept() {
        let shared = SharedDeadline::default();
        let deadline = Instant::now() + Duration::from_secs(10);
        poll_fn(|cx| {
            while let Poll::Ready(proceed) = poll_proceed(cx) {
                proceed.made_progress();
            }
            assert!(shared.poll(deadline, cx).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| shared.poll(deadline, cx)).await;
        assert_eq!(Instant::now(), deadline);
    }

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
