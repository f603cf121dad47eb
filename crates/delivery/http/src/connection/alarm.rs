//! Timers that are moved seldom. To set and clear a timer for each request costs a lock and a place
//! in the timer's lists; these are set once, and again only when they have run out too early.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for deadlines that mostly get later. The task that polled it last may be woken for a
/// deadline that does not hold any more.
#[derive(Debug, Default)]
pub(super) struct LazySleep(Option<Pin<Box<Sleep>>>);

/// The timer that the requests of one connection share: it handles one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm(Rc<RefCell<LazySleep>>);

impl LazySleep {
    /// Ready once `deadline` has passed; until then the task of `cx` is woken no later than that.
    pub(super) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
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
            // It was set for an earlier deadline.
            sleep.as_mut().reset(deadline);
        }
    }
}

impl Alarm {
    /// Ready once `deadline` has passed; until then the task of `cx` is woken no later than that.
    pub(crate) fn poll(&self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
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
        let alarm = Alarm::default();
        for (before, deadline) in [(60, 10), (10, 60), (10, 10), (60, 60)] {
            let start = Instant::now();
            let at = |seconds| start + Duration::from_secs(seconds);
            poll_fn(|cx| {
                assert!(alarm.poll(at(before), cx).is_pending());
                Poll::Ready(())
            })
            .await;
            poll_fn(|cx| alarm.poll(at(deadline), cx)).await;
            assert_eq!(start.elapsed().as_secs(), deadline, "{before} before");
        }
    }
}
