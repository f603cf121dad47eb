//! The checksum that a store keeps with a message.

use crate::message::MessageParts;
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;

/// CRC-32 (IEEE 802.3, as `zlib` computes it) of a message. It detects damage that can still be parsed.
///
/// The bytes are the text, then for each attribute in the order of the keys a zero byte, the key, a zero byte and
/// the value, and for a `traceparent` two zero bytes and it; with [`MessageChecksum::at`] also the id and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageChecksum(u32);

impl MessageChecksum {
    /// The checksum of what the sender gave.
    pub fn of(parts: MessageParts<'_>) -> Self {
        let mut sum = Self(0).extend(parts.content.as_str().as_bytes());
        for (key, value) in parts.attributes.iter() {
            sum = sum.extend(&[0]).extend(key.as_bytes());
            sum = sum.extend(&[0]).extend(value.as_bytes());
        }
        // No key is empty, so two zero bytes begin no attribute.
        match parts.traceparent {
            Some(traceparent) => sum.extend(&[0, 0]).extend(traceparent.as_str().as_bytes()),
            None => sum,
        }
    }

    /// The checksum with an id and the time of acceptance: the milliseconds of both and the sequence number between
    /// them, each as eight bytes, the highest first.
    #[must_use]
    pub fn at(self, id: MessageId, processed_at: Timestamp) -> Self {
        let numbers = [
            id.timestamp().as_millis(),
            id.sequence(),
            processed_at.as_millis(),
        ];
        let add = |sum: Self, number: u64| sum.extend(&number.to_be_bytes());
        numbers.into_iter().fold(self, add)
    }

    /// The checksum as a number.
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The checksum of the bytes so far and `bytes`.
    fn extend(self, bytes: &[u8]) -> Self {
        let step = |sum: u32, byte: &u8| {
            let [low, ..] = sum.to_le_bytes();
            let entry = TABLE.get(usize::from(low ^ byte));
            (sum >> 8) ^ entry.copied().unwrap_or_default()
        };
        Self(!bytes.iter().fold(!self.0, step))
    }
}

/// The remainders of all bytes.
static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    let mut rest: &mut [u32] = &mut table;
    while let [first, others @ ..] = rest {
        let (mut remainder, mut bit): (u32, u32) = (byte, 0);
        while bit < 8 {
            let is_odd = remainder & 1 == 1;
            remainder >>= 1;
            if is_odd {
                remainder ^= 0xedb8_8320;
            }
            bit += 1;
        }
        *first = remainder;
        byte += 1;
        rest = others;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, MessageContent, TraceParent};

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn sum(content: &str, attributes: &[(&str, &str)]) -> MessageChecksum {
        traced_sum(content, attributes, None)
    }

    fn traced_sum(
        content: &str,
        attributes: &[(&str, &str)],
        traceparent: Option<&str>,
    ) -> MessageChecksum {
        let traceparent = traceparent.map(|text| TraceParent::parse(text).unwrap());
        MessageChecksum::of(MessageParts {
            content: &MessageContent::from_store(content),
            attributes: &Attributes::parse(attributes.iter().copied()).unwrap(),
            traceparent: traceparent.as_ref(),
        })
    }

    #[test]
    fn the_checksum_is_that_of_zlib() {
        assert_eq!(sum("123456789", &[]).to_bits(), 0xcbf4_3926);
        assert_eq!(sum("", &[]).to_bits(), 0);
        // zlib.crc32(b"hi\0a\0b")
        assert_eq!(sum("hi", &[("a", "b")]).to_bits(), HI);
        let id = MessageId::new(Timestamp::from_millis(1), 2);
        let at = sum("hi", &[]).at(id, Timestamp::from_millis(3));
        assert_eq!(at.to_bits(), HI_AT);
        // zlib.crc32(b"hi\0a\0b\0\0" + TRACEPARENT)
        let traced = traced_sum("hi", &[("a", "b")], Some(TRACEPARENT));
        assert_eq!(traced.to_bits(), HI_TRACED);
    }

    const HI: u32 = 0x2bee_98cb;
    const HI_AT: u32 = 0x0310_20ff;
    const HI_TRACED: u32 = 0x9e4e_c4d1;

    #[test]
    fn parts_do_not_run_together() {
        let sums = [
            sum("ab", &[]),
            sum("a", &[("b", "")]),
            sum("a", &[("b", "c")]),
            sum("a", &[("bc", "")]),
            sum("a", &[("b", ""), ("c", "")]),
            traced_sum("a", &[], Some(TRACEPARENT)),
            traced_sum("a", &[("b", "")], Some(TRACEPARENT)),
            sum("a", &[("b", TRACEPARENT)]),
        ];
        for (place, left) in sums.iter().enumerate() {
            assert!(!sums[place + 1..].contains(left), "{place}");
        }
    }
}
