//! How much of what a client sends is taken in at once. The library decodes all that it is given, and
//! a request takes some hundred times its bytes; so it gets little at a time, and next to nothing
//! while it has not answered what it was given before.

use std::task::Context;

use super::turns::Turns;

/// The most bytes at once; almost every request is shorter.
const BATCH: usize = 4096;
/// The most bytes behind a request that is not answered yet. They show when the client is gone.
const AHEAD: usize = 512;

/// Decides how much is taken in.
#[derive(Debug)]
pub(super) struct Intake {
    turns: Turns,
    /// How many bytes were taken in since the last rest.
    taken: usize,
}

impl Intake {
    pub(super) fn new(turns: Turns) -> Self {
        Self { turns, taken: 0 }
    }

    /// How many bytes may be taken in now.
    pub(super) fn room(&self, is_stalled: bool) -> usize {
        let most = match self.turns.wanted() {
            // What is left of the body comes before anything else.
            Some(left) => left.max(BATCH),
            None if self.is_held(is_stalled) => AHEAD,
            None => BATCH,
        };
        most.saturating_sub(self.taken)
    }

    /// Bytes were taken in.
    pub(super) fn took(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count);
    }

    /// Nothing more is taken in for now: the library works on what it has. Without `room` nobody
    /// else would wake the task for what the client has sent meanwhile. Once a write gets on it is
    /// woken anyway.
    pub(super) fn rest(&mut self, is_stalled: bool, room: usize, cx: &Context<'_>) {
        let is_held = self.is_held(is_stalled);
        if !is_held {
            self.taken = 0;
        }
        match room {
            0 if is_held => self.turns.wake_later(cx.waker()),
            0 => cx.waker().wake_by_ref(),
            _ => {}
        }
    }

    /// Whether requests may be queued in the library.
    fn is_held(&self, is_stalled: bool) -> bool {
        self.turns.wanted().is_none() && (is_stalled || self.turns.is_busy())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes in as much as it may, as from a client that sends without end.
    fn take_all(intake: &mut Intake, is_stalled: bool) -> usize {
        let cx = Context::from_waker(Waker::noop());
        let count = intake.room(is_stalled);
        intake.took(count);
        assert_eq!(intake.room(is_stalled), 0);
        intake.rest(is_stalled, 0, &cx);
        count
    }

    #[test]
    fn little_is_taken_in_at_once_and_less_behind_what_waits() {
        let turns = Turns::default();
        let mut intake = Intake::new(turns.clone());
        for _ in 0..3 {
            assert_eq!(take_all(&mut intake, false), BATCH);
        }
        let turn = turns.begin();
        assert_eq!(take_all(&mut intake, false), AHEAD);
        assert_eq!(take_all(&mut intake, false), 0);
        drop(turn);
        // Its answer waits until the client reads.
        assert_eq!(take_all(&mut intake, true), 0);
        assert_eq!(take_all(&mut intake, false), BATCH - AHEAD);
        assert_eq!(take_all(&mut intake, false), BATCH);
    }

    #[test]
    fn a_body_that_is_read_is_taken_in_whole() {
        let turns = Turns::default();
        let mut intake = Intake::new(turns.clone());
        let _turn = turns.begin();
        assert_eq!(take_all(&mut intake, false), AHEAD);
        let wanting = turns.want(100_000);
        assert_eq!(take_all(&mut intake, false), 100_000 - AHEAD);
        wanting.now(10);
        assert_eq!(take_all(&mut intake, false), BATCH);
        drop(wanting);
        assert_eq!(take_all(&mut intake, false), AHEAD);
    }
}
