//! HTML for people: the inbox page, the documentation, the pages of problem types, and their assets.

pub(crate) mod assets;
pub(crate) mod docs;
pub(crate) mod inbox;
pub(crate) mod problems;
