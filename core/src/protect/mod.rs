//! Protection without a key: pure functions of one scalar.
//!
//! `null` is not protected: a caller passes it on.

mod generalize;
mod mask;

pub use generalize::Generalizer;
pub use mask::mask;

/// The text of a redacted field if the manifest gives none.
pub const REDACTED: &str = "[redacted]";

/// A value could not be protected as declared. It names the rule and nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value can't be protected by the rule {rule}")]
pub struct ProtectFailed {
    /// The rule, as it is written in a manifest: `mask`, `date`.
    pub rule: &'static str,
}
