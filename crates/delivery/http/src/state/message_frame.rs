//! A frame of messages, which all streams at the end of a topic share.

use actix_web::web::Bytes;

/// The frames of some messages. Clones share their bytes.
#[derive(Clone, Debug)]
pub(crate) struct MessageFrame {
    pub(crate) bytes: Bytes,
    /// The number of messages.
    pub(crate) count: u64,
}

impl AsRef<[u8]> for MessageFrame {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
