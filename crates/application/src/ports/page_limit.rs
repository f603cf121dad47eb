//! The most messages of a page.

/// The most messages of a page: 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit(usize);

/// The number is not 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a page has 1 to {} messages", PageLimit::MAX.get())]
pub struct PageLimitError;

impl PageLimit {
    /// The largest limit.
    pub const MAX: Self = Self(200);
    /// The default limit.
    pub const DEFAULT: Self = Self(50);

    /// A limit of `limit` messages.
    pub fn parse(limit: usize) -> Result<Self, PageLimitError> {
        if (1..=Self::MAX.0).contains(&limit) {
            Ok(Self(limit))
        } else {
            Err(PageLimitError)
        }
    }

    /// The number of messages.
    pub const fn get(self) -> usize {
        self.0
    }
}
