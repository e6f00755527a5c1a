//! Check values of the keys Secret and the state of retired masters. They are one document, so that
//! it changes as a whole.
//!
//! ```text
//! {_id: "checks", keys: {_root: {check, retired}, "_master-1": {check, retired, retiring}, ...}}
//! ```
//! **Retiring without a transaction.** The retiring process sets a flag, counts the keys of the
//! master, and then makes the flag final. A process that creates a key writes it first and then
//! reads the flag. A majority stores each step, so one of the two sees the other:
//!
//! ```text
//! key written before the count    the count finds it: Mismatch, and the flag is removed
//! key written after the count     its writer sees the flag, removes the key and returns none
//! ```
//! A reader checks the flags after it has read a key, so a removed key is never returned. While the
//! flag is set and not final, requests for keys of that master fail with the kind `Busy`.
//!
//! **Known gap.** A process that is killed between the write of a key and the check of the flag
//! leaves a key that can't be opened any more. Nothing was sealed with it. Requests for its subject
//! fail with the kind `Mismatch` until the row is removed by hand. For this, both must happen within
//! milliseconds.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use lethe_core::keys::WrappedKey;
use mongodb::bson::{Document, doc};

use crate::{
    ErrorKind, Fault, KeyCheck, KeyEntry, KeyRow, MasterKeys, StoreError,
    mongodb::vault::{
        ATTESTATIONS, AUDIT, DAY_KEYS, KEY_CHECKS, KEYS, MongodbVault, escaped, id,
        keys::{hex, still, wrapped_by, wrapped_by_others, wrapping},
        unescaped,
    },
};

const ID: &str = "checks";

/// How often a change is retried if another process was faster.
const TRIES: usize = 20;

/// The state of the keys in the keys Secret.
#[derive(Default)]
pub(crate) struct Masters(BTreeMap<String, Known>);

struct Known {
    check: String,
    retired: bool,
    retiring: bool,
}

impl Masters {
    pub(crate) fn checks(&self) -> Vec<KeyCheck> {
        let checks = self.0.iter().map(|(name, known)| KeyCheck {
            name: name.clone(),
            check: known.check.clone(),
            retired: known.retired,
        });
        checks.collect()
    }

    pub(crate) fn is_retired(&self, master: u32) -> bool {
        self.of(master).is_some_and(|known| known.retired)
    }

    /// Returns an error if one of these masters may not wrap keys.
    pub(crate) fn refuse(&self, masters: impl Iterator<Item = u32>) -> Result<(), Fault> {
        if self.0.values().all(|known| !known.retired && !known.retiring) {
            return Ok(());
        }
        for master in masters {
            if self.is_retired(master) {
                return Err(Fault::mismatch(format!(
                    "master-{master} was retired; start the worker again with the keys Secret as it is now"
                )));
            }
            if self.of(master).is_some_and(|known| known.retiring) {
                return Err(Fault::new(
                    ErrorKind::Busy,
                    format!(
                        "master-{master} is being retired; if that was cut short, run `lethe-worker keys retire master-{master}` again"
                    ),
                ));
            }
        }
        Ok(())
    }

    fn of(&self, master: u32) -> Option<&Known> {
        self.0.get(&format!("master-{master}"))
    }
}

impl MongodbVault {
    /// Returns the state of all keys in the keys Secret.
    pub(crate) async fn masters(&self) -> Result<Masters, Fault> {
        let Some(row) = self.one(KEY_CHECKS, ID).await? else { return Ok(Masters::default()) };
        let keys = row.get_document("keys").map_err(|_| self.strange(KEY_CHECKS))?;
        let known = keys.iter().map(|(field, value)| {
            let value = value.as_document()?;
            let flag = |name| value.get_bool(name).unwrap_or(false);
            let check = value.get_str("check").ok()?.to_owned();
            Some((unescaped(field)?, Known { check, retired: flag("retired"), retiring: flag("retiring") }))
        });
        known.collect::<Option<_>>().map(Masters).ok_or_else(|| self.strange(KEY_CHECKS))
    }

    /// Records the check values that are absent, all of them or none.
    pub(crate) async fn record_checks(&self, checks: &[KeyCheck]) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let known = self.masters().await?;
            let mut filter = doc! {"_id": ID};
            let mut set = Document::new();
            for check in checks {
                let field = format!("keys.{}", escaped(&check.name));
                match known.0.get(&check.name) {
                    Some(there) if there.check == check.check => {}
                    Some(_) => {
                        return Err(Fault::mismatch(format!(
                            "key {} of the keys Secret is not the one that this store was written with; give the worker \
                             that Secret",
                            check.name
                        )));
                    }
                    None => {
                        filter.insert(&field, doc! {"$exists": false});
                        set.insert(field, doc! {"check": &check.check, "retired": check.retired});
                    }
                }
            }
            if set.is_empty() {
                return Ok(());
            }
            let update = doc! {"q": filter, "u": {"$set": set}, "upsert": true};
            let (_, missed) = self.update(KEY_CHECKS, vec![update]).await?;
            if !missed {
                return Ok(());
            }
            // Another worker recorded one of these names in the meantime. Check whether it is the
            // same key.
        }
        Err(Fault::new(ErrorKind::Busy, "other workers keep recording keys".to_owned()))
    }

    /// Marks a key as retired and records the attestation. Fails if it is a master that still wraps
    /// keys.
    pub(crate) async fn retire_key(&self, name: &str, attestation: &str) -> Result<(), Fault> {
        let known = self.masters().await?;
        let Some(key) = known.0.get(name) else {
            return Err(Fault::mismatch(format!("no key {name} was ever used with this store")));
        };
        let master = name.strip_prefix("master-").and_then(|number| number.parse().ok());
        if let (Some(master), false) = (master, key.retired) {
            self.flag(name, doc! {"$set": {retiring(name): true}}).await?;
            let keys = self.count(KEYS, wrapped_by(master)).await? + self.count(DAY_KEYS, wrapped_by(master)).await?;
            if keys > 0 {
                self.flag(name, doc! {"$unset": {retiring(name): 1}}).await?;
                return Err(Fault::mismatch(format!(
                    "{name} still wraps keys; wrap them by the current master with `lethe-worker keys rotate`"
                )));
            }
        }
        // The same attestation again, after a crash, is the same act and adds no row.
        let row = doc! {"_id": id(&[name, attestation]), "key_name": name, "attestation": attestation};
        self.insert_absent(ATTESTATIONS, vec![row]).await?;
        let retired = format!("keys.{}.retired", escaped(name));
        self.flag(name, doc! {"$set": {retired: true}, "$unset": {retiring(name): 1}}).await
    }

    async fn wrap_again(&self, keys: &[(KeyEntry, WrappedKey)]) -> Result<u64, Fault> {
        let new = || keys.iter().map(|(_, new)| new.master);
        self.masters().await?.refuse(new())?;
        let updates = keys.iter().filter_map(|(old, new)| match &old.row {
            KeyRow::Live(was) => {
                let id = id(&[&old.space, &hex(old.token), &old.class]);
                Some(doc! {"q": still(&id, was), "u": {"$set": wrapping(new)}})
            }
            KeyRow::Shredded => None,
        });
        let (changed, _) = self.update(KEYS, updates.collect()).await?;
        self.masters().await?.refuse(new())?;
        Ok(changed)
    }

    async fn flag(&self, name: &str, change: Document) -> Result<(), Fault> {
        let filter = doc! {"_id": ID, format!("keys.{}", escaped(name)): {"$exists": true}};
        self.update(KEY_CHECKS, vec![doc! {"q": filter, "u": change}]).await.map(|_| ())
    }
}

impl MasterKeys for MongodbVault {
    fn checks(&self) -> BoxFuture<'_, Result<Vec<KeyCheck>, StoreError>> {
        Box::pin(async move { Ok(self.masters().await.map_err(|fault| self.at(fault))?.checks()) })
    }

    fn add_checks(&self, checks: Vec<KeyCheck>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.record_checks(&checks).await.map_err(|fault| self.at(fault)) })
    }

    fn wrapped_by_others(&self, master: u32, limit: usize) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>> {
        Box::pin(async move {
            let rows = self.some(KEYS, wrapped_by_others(master), limit).await;
            let entries = rows.and_then(|rows| rows.iter().map(|row| self.entry(row)).collect());
            entries.map_err(|fault| self.at(fault))
        })
    }

    fn count_wrapped_by(&self, master: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { self.count(KEYS, wrapped_by(master)).await.map_err(|fault| self.at(fault)) })
    }

    fn rewrap(&self, keys: Vec<(KeyEntry, WrappedKey)>) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { self.wrap_again(&keys).await.map_err(|fault| self.at(fault)) })
    }

    fn retire(&self, name: String, attestation: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.retire_key(&name, &attestation).await.map_err(|fault| self.at(fault)) })
    }

    fn audit(&self, line: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let row = doc! {"_id": mongodb::bson::oid::ObjectId::new().to_hex(), "line": line};
            self.insert_absent(AUDIT, vec![row]).await.map(|_| ()).map_err(|fault| self.at(fault))
        })
    }
}

fn retiring(name: &str) -> String {
    format!("keys.{}.retiring", escaped(name))
}
