//! What protects a value without a key: pure functions of one scalar.
//!
//! `null` is no value: a caller passes it on and asks nothing here.

mod generalize;
mod mask;

pub use generalize::Generalizer;
pub use mask::mask;

/// What a redacted field becomes when the manifest gives no text of its own.
pub const REDACTED: &str = "[redacted]";

/// A value could not be protected as declared. It names the rule and nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value can't be protected by the rule {rule}")]
pub struct ProtectFailed {
    /// The rule, as it is written in a manifest: `mask`, `date`.
    pub rule: &'static str,
}
