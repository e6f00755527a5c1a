//! Laws of a look at a key store that may not have been made.

use crate::fixture::AbsentVaultStore;

pub async fn a_look_finds_a_vault_only_where_one_was_made<S: AbsentVaultStore>(store: &S) {
    assert!(!store.look().await);
    assert!(!store.is_anything_there().await, "a look made something");
    store.make().await;
    assert!(store.look().await);
}

/// Tests of these laws for a store.
macro_rules! look_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, look: a_look_finds_a_vault_only_where_one_was_made }
    };
}
pub(crate) use look_laws;
