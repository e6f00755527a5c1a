//! Names of a law in a vault that it shares with others, and what laws of vaults do often.

use std::sync::Arc;

use lethe_core::{identity::Token, keys::WrappedKey};
use lethe_stores::{ErrorKind, KeyCheck, KeyRow, StoreError, SubjectWant, Vault};

use crate::fixture::number;

/// A space, pipelines and masters that no other law uses.
#[derive(Clone, Copy)]
pub struct Names(u32);

impl Names {
    /// Names of which a vault knows nothing yet.
    pub fn new() -> Self {
        Self(number())
    }

    pub fn space(self) -> String {
        format!("customers-{}", self.0)
    }

    pub fn pipeline(self) -> String {
        format!("shop.p{}", self.0)
    }

    pub fn other_pipeline(self) -> String {
        format!("shop.p{}.other", self.0)
    }

    pub fn master(self, n: u32) -> u32 {
        self.0 * 10 + n
    }

    pub fn master_name(self, n: u32) -> String {
        format!("master-{}", self.master(n))
    }

    /// A name of a key of the keys Secret.
    pub fn name(self, name: &str) -> String {
        format!("{name}-{}", self.0)
    }

    pub fn key(self, master: u32, byte: u8) -> WrappedKey {
        WrappedKey { master: self.master(master), sealed: vec![byte; 60] }
    }

    pub fn live(self, master: u32, byte: u8) -> KeyRow {
        KeyRow::Live(self.key(master, byte))
    }

    /// A subject that needs keys of two classes, and has an alias.
    pub fn want(self, who: u8, master: u32, byte: u8) -> SubjectWant {
        let key = self.key(master, byte);
        SubjectWant {
            space: self.space(),
            token: Token([who; 32]),
            candidates: vec![("profile".to_owned(), key.clone()), ("history".to_owned(), key)],
            aliases: vec![("email".to_owned(), Token([who.wrapping_add(100); 32]))],
        }
    }

    /// The same with one class.
    pub fn want_one(self, who: u8, master: u32, byte: u8) -> SubjectWant {
        let mut want = self.want(who, master, byte);
        want.candidates.truncate(1);
        want
    }

    pub fn check(self, name: &str, value: &str) -> KeyCheck {
        KeyCheck { name: self.name(name), check: value.to_owned(), retired: false }
    }

    pub fn master_check(self, n: u32) -> KeyCheck {
        KeyCheck { name: self.master_name(n), check: "m".to_owned(), retired: false }
    }
}

/// The first key of a subject.
pub async fn one(vault: &Arc<dyn Vault>, want: SubjectWant) -> KeyRow {
    vault.subjects(vec![want]).await.unwrap().remove(0).remove(0)
}

/// The checks of a vault that have the names of these.
pub async fn checks_of(vault: &Arc<dyn Vault>, like: &[KeyCheck]) -> Vec<KeyCheck> {
    let mut all = vault.checks().await.unwrap();
    all.retain(|check| like.iter().any(|other| other.name == check.name));
    all
}

/// Returns whether a store refused as `Mismatch`, with this text.
pub fn is_mismatch<T>(result: Result<T, StoreError>, text: &str) -> bool {
    matches!(result, Err(StoreError { kind: ErrorKind::Mismatch, message, .. }) if message.contains(text))
}
