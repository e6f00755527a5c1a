//! What can go wrong in a store.

/// A store's answer that is no success. Messages name files, tables and columns, never values.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store can't be reached or is busy; trying again later may help.
    #[error("{store} is not available: {message}")]
    Unavailable {
        /// Name of the store.
        store: String,
        /// What it said.
        message: String,
    },
    /// What is there is not what was declared; somebody must change one or the other.
    #[error("{store}: {message}")]
    Mismatch {
        /// Name of the store.
        store: String,
        /// What differs, and what to do.
        message: String,
    },
    /// The store answered with an error that trying again won't cure.
    #[error("{store}: {message}")]
    Failed {
        /// Name of the store.
        store: String,
        /// What it said.
        message: String,
    },
}

impl StoreError {
    /// Whether trying again later may help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. })
    }
}
