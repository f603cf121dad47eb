//! A digest of several texts.

use posthorn_domain::Fingerprint;
use sha2::{Digest, Sha256};

/// SHA-256 (FIPS 180-4) of the parts, each preceded by its length in eight bytes, big-endian, so that different lists
/// of parts never have the same input. Stores keep what is made of it: the input must not change.
pub fn digest_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> Fingerprint {
    let mut digest = Sha256::new();
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        digest.update(length.to_be_bytes());
        digest.update(part);
    }
    Fingerprint::from_bytes(digest.finalize().into())
}
