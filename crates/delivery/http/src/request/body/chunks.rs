//! The chunks of a body, joined once there is a second.

use actix_web::web::{Bytes, BytesMut};

/// The bytes of a body so far. Most bodies have one chunk, which is not copied.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    first: Bytes,
    /// The first and all others, once there is another.
    joined: BytesMut,
}

impl Chunks {
    /// The length in bytes.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    /// Adds the next chunk.
    pub(super) fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        self.joined
            .extend_from_slice(&std::mem::take(&mut self.first));
        self.joined.extend_from_slice(&chunk);
    }

    /// All bytes.
    pub(super) fn join(self) -> Bytes {
        if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_in_order() {
        for chunks in [&[][..], &["ab"], &["ab", "c"], &["", "a", "", "bc", "d"]] {
            let mut body = Chunks::default();
            for chunk in chunks {
                body.push(Bytes::from_static(chunk.as_bytes()));
            }
            let expected = chunks.concat();
            assert_eq!(body.len(), expected.len());
            assert_eq!(body.join(), expected);
        }
    }
}
