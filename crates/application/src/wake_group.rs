//! One wake-up for each waiting thread: waking a task of another thread costs a system call, waking one
//! of the same thread does not. So of the tasks that wait for one group on one thread, the writer wakes
//! the first, and that wakes the others.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

thread_local! {
    /// The tasks to wake at the end of the group, while there is one.
    static GROUP: RefCell<Option<Vec<Arc<Relay>>>> = const { RefCell::new(None) };
}

/// The tasks of one thread, to be woken by the first of them.
struct ThreadGroup {
    thread: ThreadId,
    first: Arc<Relay>,
    waker: Waker,
    others: Vec<Waker>,
}

/// The group of the current thread. Its end, also by a panic, wakes what it completed.
struct WakeGroup;

/// Runs `reply`. The [`GroupWait`]s that it completes are woken after that, one for each thread.
pub fn wake_together(reply: impl FnOnce()) {
    GROUP.set(Some(Vec::new()));
    let _group = WakeGroup;
    reply();
}

impl Drop for WakeGroup {
    fn drop(&mut self) {
        let mut groups: Vec<ThreadGroup> = Vec::new();
        for relay in GROUP.take().unwrap_or_default() {
            let Some((thread, waker)) = relay.lock().task.take() else {
                continue;
            };
            match groups.iter_mut().find(|group| group.thread == thread) {
                Some(group) => group.others.push(waker),
                None => groups.push(ThreadGroup {
                    thread,
                    first: relay,
                    waker,
                    others: Vec::new(),
                }),
            }
        }
        for group in groups {
            // Before it is woken: its poll wakes them.
            let left = group.first.entrust(group.others);
            group.waker.wake();
            left.into_iter().for_each(Waker::wake);
        }
    }
}

/// Waits for a future that a group completes. Once it was polled it must be polled again when it is woken, or be dropped: the
/// others of its thread wait for that.
#[derive(Debug)]
pub struct GroupWait<F> {
    future: F,
    relay: Arc<Relay>,
}

/// The waker of one waiting task.
#[derive(Debug)]
struct Relay(Mutex<RelayState>);

#[derive(Debug, Default)]
struct RelayState {
    /// The task and the thread that polled it last.
    task: Option<(ThreadId, Waker)>,
    /// The tasks of the same thread that the next poll wakes.
    others: Vec<Waker>,
    /// True if there is no next poll.
    is_dropped: bool,
}

impl Relay {
    fn lock(&self) -> MutexGuard<'_, RelayState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves `others` to the next poll. Returns them if there is none.
    fn entrust(&self, others: Vec<Waker>) -> Vec<Waker> {
        let mut state = self.lock();
        if state.is_dropped {
            return others;
        }
        state.others.extend(others);
        Vec::new()
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        let alone = GROUP.with_borrow_mut(|group| match group {
            Some(group) => {
                group.push(self);
                None
            }
            None => Some(self),
        });
        let task = alone.and_then(|relay| relay.lock().task.take());
        if let Some((_, waker)) = task {
            waker.wake();
        }
    }
}

impl<F: Future + Unpin> GroupWait<F> {
    /// Waits for `future`.
    pub fn new(future: F) -> Self {
        Self {
            future,
            relay: Arc::new(Relay(Mutex::default())),
        }
    }
}

impl<F: Future + Unpin> Future for GroupWait<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let others = {
            let mut state = self.relay.lock();
            state.task = Some((thread::current().id(), context.waker().clone()));
            std::mem::take(&mut state.others)
        };
        others.into_iter().for_each(Waker::wake);
        let waker = Waker::from(Arc::clone(&self.relay));
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }
}

impl<F> Drop for GroupWait<F> {
    fn drop(&mut self) {
        let others = {
            let mut state = self.relay.lock();
            state.is_dropped = true;
            std::mem::take(&mut state.others)
        };
        others.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    /// Counts its wake-ups.
    #[derive(Default)]
    struct CountingWaker(AtomicUsize);

    impl Wake for CountingWaker {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Waiting {
        sender: Option<oneshot::Sender<()>>,
        wait: GroupWait<oneshot::Receiver<()>>,
        waker: Arc<CountingWaker>,
    }

    impl Waiting {
        fn new() -> Self {
            let (sender, receiver) = oneshot::channel();
            let mut waiting = Self {
                sender: Some(sender),
                wait: GroupWait::new(receiver),
                waker: Arc::default(),
            };
            assert!(!waiting.is_ready());
            waiting
        }

        fn is_ready(&mut self) -> bool {
            let waker = Waker::from(Arc::clone(&self.waker));
            let context = &mut Context::from_waker(&waker);
            Pin::new(&mut self.wait).poll(context).is_ready()
        }

        fn send(&mut self) {
            self.sender.take().unwrap().send(()).unwrap();
        }

        fn wakes(&self) -> usize {
            self.waker.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn the_first_of_a_thread_wakes_the_others() {
        let mut here = [(); 3].map(|()| Waiting::new());
        let mut elsewhere = thread::spawn(|| [(); 2].map(|()| Waiting::new()))
            .join()
            .unwrap();
        wake_together(|| {
            here.iter_mut().for_each(Waiting::send);
            elsewhere.iter_mut().for_each(Waiting::send);
            assert_eq!(here[0].wakes(), 0);
        });
        assert_eq!(here.each_ref().map(Waiting::wakes), [1, 0, 0]);
        assert_eq!(elsewhere.each_ref().map(Waiting::wakes), [1, 0]);
        assert!(here[0].is_ready());
        assert_eq!(here.each_ref().map(Waiting::wakes), [1, 1, 1]);
        assert!(here[1].is_ready() && here[2].is_ready());
    }

    #[test]
    fn the_others_are_woken_when_the_first_is_dropped() {
        let [mut first, mut second] = [(); 2].map(|()| Waiting::new());
        wake_together(|| {
            first.send();
            second.send();
        });
        drop(first);
        assert_eq!(second.wakes(), 1);
        let [mut first, mut second] = [(); 2].map(|()| Waiting::new());
        wake_together(|| {
            first.send();
            second.send();
            drop(first);
        });
        assert_eq!(second.wakes(), 1);
    }

    #[test]
    fn a_panic_ends_the_group() {
        let [mut first, mut second] = [(); 2].map(|()| Waiting::new());
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wake_together(|| {
                first.send();
                panic!("after the first reply");
            });
        }));
        assert!(outcome.is_err());
        second.send();
        assert_eq!((first.wakes(), second.wakes()), (1, 1));
    }

    #[test]
    fn outside_of_a_group_each_is_woken() {
        let mut waiting = Waiting::new();
        waiting.send();
        assert_eq!(waiting.wakes(), 1);
        assert!(waiting.is_ready());
    }
}
