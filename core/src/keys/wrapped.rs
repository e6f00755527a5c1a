//! A subject's key as it lies in the key store.

/// A subject's key, sealed by a master key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Number of the master key that wraps it.
    pub master: u32,
    /// Nonce, ciphertext and tag.
    pub sealed: Vec<u8>,
}
