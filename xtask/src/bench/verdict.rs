//! Whether a figure meets its target.

/// `met` or `MISSED`.
pub(super) fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}
