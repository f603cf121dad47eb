//! How many attempts of one webhook are under way at once.

/// The attempts of a webhook that has not responded yet.
const INITIAL: usize = 4;

/// A window as that of TCP's congestion control (RFC 5681): it starts small, grows with each response and
/// is halved by each attempt without one. So an endpoint that hangs holds few connections, which each
/// cost some 25 KiB, and one that recovers is not flooded with what waits for it.
#[derive(Debug)]
pub(super) struct AttemptWindow(usize);

impl AttemptWindow {
    pub(super) const fn new() -> Self {
        Self(INITIAL)
    }

    /// The most attempts at once, of a webhook that allows `max_in_flight`.
    pub(super) fn size(&self, max_in_flight: usize) -> usize {
        self.0.min(max_in_flight)
    }

    /// An attempt ended, with a response of any status or without one.
    pub(super) fn ended(&mut self, has_response: bool, max_in_flight: usize) {
        self.0 = if has_response {
            self.size(max_in_flight).saturating_add(1)
        } else {
            (self.size(max_in_flight) / 2).max(1)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_responses_up_to_the_maximum_and_halves_without() {
        let mut window = AttemptWindow::new();
        assert_eq!(window.size(10), 4);
        assert_eq!(window.size(2), 2);
        for _ in 0..100 {
            window.ended(true, 10);
        }
        assert_eq!(window.size(10), 10);
        window.ended(false, 10);
        assert_eq!(window.size(10), 5);
        for _ in 0..10 {
            window.ended(false, 10);
        }
        assert_eq!(window.size(10), 1);
        window.ended(true, 10);
        assert_eq!(window.size(10), 2);
    }
}
