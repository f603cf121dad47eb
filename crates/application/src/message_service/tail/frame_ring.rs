//! The frames of the newest messages of a topic, without omissions, bounded in bytes and in age.

use std::collections::VecDeque;
use std::time::Duration;

use posthorn_domain::MessageId;

/// The most bytes of frames that a ring holds, unless one frame has more.
const MAX_BYTES: usize = 64 * 1024;
/// How long a frame is held. A reader that is slower reads the store.
pub(super) const MAX_AGE: Duration = Duration::from_secs(1);

/// The frames of all messages between two positions of a topic.
#[derive(Debug)]
pub(super) struct FrameRing<F> {
    /// Right before the first message of the first frame.
    start: MessageId,
    frames: VecDeque<HeldFrame<F>>,
    bytes: usize,
}

/// A frame in a ring.
#[derive(Debug)]
struct HeldFrame<F> {
    /// The last message of the frame.
    last: MessageId,
    frame: F,
    /// The monotonic time of its push.
    pushed_at: Duration,
}

/// What a ring has for a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RingRead<F> {
    /// The messages right after the position, up to and with `last`.
    Frame { last: MessageId, frame: F },
    /// Nothing: the position is at the end, or after it.
    AtEnd,
    /// Nothing: the position is before the first frame, or within one.
    Behind,
}

impl<F: AsRef<[u8]> + Clone> FrameRing<F> {
    /// An empty ring, whose first frame begins right after `start`.
    pub(super) fn new(start: MessageId) -> Self {
        Self {
            start,
            frames: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The position after the last frame.
    pub(super) fn end(&self) -> MessageId {
        self.frames.back().map_or(self.start, |back| back.last)
    }

    /// True if the ring has no frame.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Adds the frame of all messages after [`FrameRing::end`], up to and with `last`, at the monotonic
    /// time `now`. Frames that are too old or too many make way.
    pub(super) fn push(&mut self, last: MessageId, frame: F, now: Duration) {
        let oldest = now.saturating_sub(MAX_AGE);
        while self
            .frames
            .front()
            .is_some_and(|first| first.pushed_at < oldest)
        {
            self.remove_first();
        }
        self.bytes = self.bytes.saturating_add(frame.as_ref().len());
        self.frames.push_back(HeldFrame {
            last,
            frame,
            pushed_at: now,
        });
        while self.bytes > MAX_BYTES && self.frames.len() > 1 {
            self.remove_first();
        }
    }

    /// Removes all frames. A reader before the end is behind from now on.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.end());
    }

    /// The frame right after `position`.
    pub(super) fn after(&self, position: MessageId) -> RingRead<F> {
        if position >= self.end() {
            return RingRead::AtEnd;
        }
        let next = if position == self.start {
            self.frames.front()
        } else {
            let found = self.frames.binary_search_by_key(&position, |one| one.last);
            found.ok().and_then(|index| self.frames.get(index + 1))
        };
        next.map_or(RingRead::Behind, |next| RingRead::Frame {
            last: next.last,
            frame: next.frame.clone(),
        })
    }

    fn remove_first(&mut self) {
        if let Some(first) = self.frames.pop_front() {
            self.bytes = self.bytes.saturating_sub(first.frame.as_ref().len());
            self.start = first.last;
        }
    }
}

#[cfg(test)]
mod tests {
    use posthorn_domain::Timestamp;

    use super::*;

    fn id(number: u64) -> MessageId {
        MessageId::new(Timestamp::default(), number)
    }

    fn frame(last: u64, text: &'static str) -> RingRead<&'static str> {
        RingRead::Frame {
            last: id(last),
            frame: text,
        }
    }

    #[test]
    fn a_frame_is_found_by_the_position_before_it_only() {
        let mut ring = FrameRing::new(id(10));
        ring.push(id(12), "11 and 12", Duration::ZERO);
        ring.push(id(13), "13", Duration::ZERO);
        assert_eq!(ring.after(id(10)), frame(12, "11 and 12"));
        assert_eq!(ring.after(id(12)), frame(13, "13"));
        for behind in [9, 11] {
            assert_eq!(ring.after(id(behind)), RingRead::Behind, "{behind}");
        }
        for end in [13, 14] {
            assert_eq!(ring.after(id(end)), RingRead::AtEnd, "{end}");
        }
    }

    #[test]
    fn the_oldest_frames_make_way_and_the_newest_always_fits() {
        let (half, long) = ("a".repeat(MAX_BYTES / 2), "b".repeat(2 * MAX_BYTES));
        let mut ring = FrameRing::new(id(0));
        for last in 1..=3 {
            ring.push(id(last), half.as_str(), Duration::ZERO);
        }
        assert_eq!(ring.after(id(0)), RingRead::Behind);
        assert!(matches!(ring.after(id(1)), RingRead::Frame { .. }));
        ring.push(id(4), long.as_str(), Duration::ZERO);
        assert_eq!(ring.after(id(2)), RingRead::Behind);
        assert!(matches!(ring.after(id(3)), RingRead::Frame { .. }));
        ring.push(id(5), "short", Duration::ZERO);
        assert_eq!(ring.after(id(4)), frame(5, "short"));
        assert_eq!(ring.bytes, "short".len());
    }

    #[test]
    fn an_old_frame_makes_way() {
        let mut ring = FrameRing::new(id(0));
        ring.push(id(1), "one", Duration::ZERO);
        ring.push(id(2), "two", MAX_AGE);
        assert_eq!(ring.after(id(0)), frame(1, "one"));
        ring.push(id(3), "three", MAX_AGE + Duration::from_millis(1));
        assert_eq!(ring.after(id(0)), RingRead::Behind);
        assert_eq!(ring.after(id(1)), frame(2, "two"));
    }

    #[test]
    fn a_cleared_ring_keeps_its_end() {
        let mut ring = FrameRing::new(id(0));
        ring.push(id(1), "one", Duration::ZERO);
        ring.clear();
        assert!(ring.is_empty());
        assert_eq!(ring.after(id(0)), RingRead::Behind);
        assert_eq!(ring.after(id(1)), RingRead::AtEnd);
        ring.push(id(2), "two", Duration::ZERO);
        assert_eq!(ring.after(id(1)), frame(2, "two"));
    }
}
