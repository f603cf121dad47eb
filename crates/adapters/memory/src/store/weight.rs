//! What a message takes of the store's room.

use posthorn_domain::{Attributes, MessageContent};

/// What a message takes besides its text: itself and its place in the order. This and the next two
/// are somewhat above what was measured as resident memory on 64-bit Linux: 197 bytes a message,
/// 448 more with one attribute, 2,272 more with sixteen.
const MESSAGE_OVERHEAD: usize = 256;
/// What attributes take as soon as there is one.
const ATTRIBUTES_OVERHEAD: usize = 400;
/// What each attribute takes besides its key and value.
const ATTRIBUTE_OVERHEAD: usize = 120;
/// About how many bytes a message takes.
pub(super) fn weight(content: &MessageContent, attributes: &Attributes) -> usize {
    let of_each = |(key, value): (&str, &str)| key.len() + value.len() + ATTRIBUTE_OVERHEAD;
    let of_any = if attributes.is_empty() {
        0
    } else {
        ATTRIBUTES_OVERHEAD
    };
    let attributes: usize = attributes.iter().map(of_each).sum();
    MESSAGE_OVERHEAD + content.as_str().len() + of_any + attributes
}
