//! Keyed hashes of data that identifies a person.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::write::hex;

/// The key of the hashes.
pub(crate) struct HashKey(Hmac<Sha256>);

impl HashKey {
    /// Makes a key from bytes of any length; HMAC allows all lengths.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        <Hmac<Sha256> as Mac>::new_from_slice(key).ok().map(Self)
    }

    /// Returns the first 16 bytes of the text's HMAC-SHA-256 as hexadecimal digits.
    pub(crate) fn hash(&self, text: &[u8]) -> Option<String> {
        let mut mac = self.0.clone();
        mac.update(text);
        let hash = mac.finalize().into_bytes();
        let first: &[u8; 16] = hash.first_chunk()?;
        let digits: [u8; 32] = hex::encode(first);
        Some(String::from_utf8_lossy(&digits).into_owned())
    }
}
