//! How much of what a client sends is handed to the library, which decodes all that it is given: one
//! request at a time, and little of a body that nobody reads. It would frame an answer by the request
//! that it has decoded last, and a request takes some hundred times its bytes.

use std::task::Context;

use actix_web::web::{Buf, BytesMut};
use bytes::BufMut;
use bytes::buf::Limit;
use tokio::io::ReadBuf;

use super::framing::Framing;
use super::turns::Turns;

/// The most bytes at once; almost every request is shorter.
const BATCH: usize = 4096;
/// The most bytes of a body that is not read, or that are kept back behind a request that is not
/// answered yet. They show when the client is gone.
const AHEAD: usize = 512;

/// Decides how much is taken in.
#[derive(Debug)]
pub(super) struct Intake {
    turns: Turns,
    framing: Framing,
    /// How many heads were handed over, and how many requests had begun by the last one.
    heads: u64,
    begun: Option<u64>,
    /// What stands behind the request at hand.
    kept: BytesMut,
    /// Whether nothing comes after that.
    has_ended: bool,
    /// How many bytes were taken in since the last rest.
    taken: usize,
}

impl Intake {
    pub(super) fn new(turns: Turns) -> Self {
        Self {
            turns,
            framing: Framing::default(),
            heads: 0,
            begun: None,
            kept: BytesMut::new(),
            has_ended: false,
            taken: 0,
        }
    }

    /// Whether the next request has to wait: the one before it is whole, and not answered.
    pub(super) fn is_behind(&self, is_stalled: bool) -> bool {
        let has_begun = self.begun != Some(self.turns.begun());
        self.framing.is_between() && (!has_begun || self.turns.is_busy() || is_stalled)
    }

    /// Where to keep what comes behind a request, as far as there is room.
    pub(super) fn behind(&mut self) -> Option<Limit<&mut BytesMut>> {
        let room = AHEAD.saturating_sub(self.kept.len());
        (room > 0 && !self.has_ended).then(|| (&mut self.kept).limit(room))
    }

    /// The client sends nothing more.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Whether the client had ended before what was kept back was handed over.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Sees to it that the task is woken for what was kept back.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        if self.has_ended || !self.kept.is_empty() {
            self.turns.wake_later(cx.waker());
        }
    }

    /// Hands over what was kept back, up to the end of a request; says whether there was any.
    pub(super) fn hand_over(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let most = buf.remaining().min(BATCH).min(self.kept.len());
        let next = self.kept.get(..most).unwrap_or_default();
        let count = self.framing.take(next);
        buf.put_slice(next.get(..count).unwrap_or_default());
        self.kept.advance(count);
        self.took(count);
        count > 0
    }

    /// Keeps back what was read into `buf` after its first `before` bytes and is of another request.
    pub(super) fn keep_back(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let read = buf.filled().get(before..).unwrap_or_default();
        let count = self.framing.take(read);
        self.kept
            .extend_from_slice(read.get(count..).unwrap_or_default());
        buf.set_filled(before + count);
        self.took(count);
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

    /// Bytes were handed over.
    fn took(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count);
        if self.heads != self.framing.heads() {
            self.heads = self.framing.heads();
            self.begun = Some(self.turns.begun());
        }
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

    /// Whether nobody takes what is handed over: of a body that is not read, behind an answer.
    fn is_held(&self, is_stalled: bool) -> bool {
        self.turns.wanted().is_none() && (is_stalled || self.turns.is_busy())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Hands over as much as it may, as from a client that sends without end; gives what it was.
    fn read(intake: &mut Intake, sent: &str) -> String {
        let cx = Context::from_waker(Waker::noop());
        let mut space = [0; 2 * BATCH];
        let mut buf = ReadBuf::new(&mut space);
        if intake.is_behind(false) {
            let Some(mut behind) = intake.behind() else {
                return String::new();
            };
            let count = sent.len().min(behind.remaining_mut());
            behind.put_slice(&sent.as_bytes()[..count]);
            intake.wait(&cx);
        } else if !intake.hand_over(&mut buf) {
            let room = intake.room(false);
            buf.put_slice(&sent.as_bytes()[..sent.len().min(room)]);
            intake.keep_back(&mut buf, 0);
            intake.rest(false, intake.room(false), &cx);
        }
        String::from_utf8(buf.filled().to_vec()).unwrap()
    }

    const GET: &str = "GET / HTTP/1.1\r\n\r\n";

    #[test]
    fn one_request_is_handed_over_at_a_time() {
        let turns = Turns::default();
        let mut intake = Intake::new(turns.clone());
        assert_eq!(read(&mut intake, &GET.repeat(3)), GET);
        // The library has not decoded it yet.
        assert_eq!(read(&mut intake, GET), "");
        let turn = turns.begin();
        assert_eq!(read(&mut intake, ""), "");
        assert!(intake.is_behind(false));
        drop(turn);
        assert!(intake.is_behind(true));
        for _ in 0..3 {
            assert_eq!(read(&mut intake, ""), GET);
            drop(turns.begin());
        }
        assert_eq!(read(&mut intake, ""), "");
    }

    #[test]
    fn little_is_kept_back() {
        let turns = Turns::default();
        let mut intake = Intake::new(turns.clone());
        assert_eq!(read(&mut intake, GET), GET);
        let _turn = turns.begin();
        for _ in 0..100 {
            assert_eq!(read(&mut intake, &GET.repeat(100)), "");
        }
        assert_eq!(intake.kept.len(), AHEAD);
        assert!(intake.behind().is_none());
    }

    #[test]
    fn a_body_is_handed_over_as_it_is_wanted() {
        let turns = Turns::default();
        let mut intake = Intake::new(turns.clone());
        let head = "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
        assert_eq!(read(&mut intake, head), head);
        let _turn = turns.begin();
        let body = "x".repeat(100_000);
        // Nobody reads it.
        assert_eq!(read(&mut intake, &body).len(), AHEAD);
        assert_eq!(read(&mut intake, &body).len(), 0);
        let wanting = turns.want(100_000);
        assert_eq!(intake.room(false), 100_000 - AHEAD);
        wanting.now(10);
        assert_eq!(intake.room(false), BATCH - AHEAD);
    }
}
