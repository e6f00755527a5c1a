//! Keys of subjects and their aliases. The first insert of an `_id` wins. Later writers read its
//! row.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::future::BoxFuture;
use lethe_core::{
    identity::{Reference, Token},
    keys::WrappedKey,
};
use mongodb::bson::{Binary, Bson, Document, doc, spec::BinarySubtype};

use crate::{
    Fault, KeyEntry, KeyRow, StoreError, SubjectKeys, SubjectWant,
    mongodb::{
        sink::writes::whole,
        vault::{ALIASES, KEYS, MongodbVault, id, ids_under},
    },
};

impl MongodbVault {
    /// Destroys every key of a subject. Returns how many were live. The rows remain, so that a late
    /// insert creates no new key.
    pub async fn shred(&self, space: String, token: Token) -> Result<u64, StoreError> {
        let mut filter = ids_under(&[&space, &hex(token)]);
        filter.insert("state", "live");
        let change = doc! {"$set": {"state": "shredded"}, "$unset": {"master": 1, "sealed": 1}};
        let updates = vec![doc! {"q": filter, "u": change, "multi": true}];
        self.update(KEYS, updates).await.map(|(changed, _)| changed).map_err(|fault| self.at(fault))
    }

    async fn make(&self, wants: &[SubjectWant]) -> Result<Vec<Vec<KeyRow>>, Fault> {
        let mut candidates = HashMap::new();
        let mut ids = Vec::new();
        for want in wants {
            let token = hex(want.token);
            for (class, key) in &want.candidates {
                let id = id(&[&want.space, &token, class]);
                if candidates.insert(id.clone(), (want, class, key)).is_none() {
                    ids.push(id);
                }
            }
        }
        let mut known = self.by_id(KEYS, &ids).await?;
        let absent: Vec<&String> = ids.iter().filter(|id| !known.contains_key(*id)).collect();
        let mut made = HashSet::new();
        if !absent.is_empty() {
            self.masters().await?.refuse(absent.iter().map(|id| candidates[*id].2.master))?;
            let rows = absent.iter().map(|id| {
                let (want, class, key) = candidates[*id];
                key_document(id, &want.space, &want.token, class, key)
            });
            let lost = self.insert_absent(KEYS, rows.collect()).await?;
            let others: HashSet<&String> = lost.iter().collect();
            made = absent.into_iter().filter(|id| !others.contains(*id)).cloned().collect();
            known.extend(self.by_id(KEYS, &lost).await?);
        }
        self.make_aliases(wants).await?;
        let mut keys = HashMap::with_capacity(ids.len());
        for id in &ids {
            let row = match known.get(id) {
                Some(row) => self.key_row(row)?,
                None if made.contains(id) => KeyRow::Live(candidates[id].2.clone()),
                None => return Err(self.strange(KEYS)),
            };
            keys.insert(id.clone(), row);
        }
        self.check_masters(&keys, &made).await?;
        let answer = wants.iter().map(|want| {
            let token = hex(want.token);
            let rows = want.candidates.iter().map(|(class, _)| keys[&id(&[&want.space, &token, class])].clone());
            rows.collect()
        });
        Ok(answer.collect())
    }

    /// Checks after the write that no returned key is wrapped by a master that is retired or being
    /// retired. `masters.rs` explains why this order leaves no gap.
    async fn check_masters(&self, keys: &HashMap<String, KeyRow>, made: &HashSet<String>) -> Result<(), Fault> {
        let masters = self.masters().await?;
        let live = keys.iter().filter_map(|(id, row)| match row {
            KeyRow::Live(key) => Some((id, key)),
            KeyRow::Shredded => None,
        });
        for (id, key) in live.clone() {
            if made.contains(id) && masters.is_retired(key.master) {
                // No reader has used this key: each one checks the masters after reading it.
                self.delete(KEYS, still(id, key)).await?;
            }
        }
        masters.refuse(live.map(|(_, key)| key.master))
    }

    async fn make_aliases(&self, wants: &[SubjectWant]) -> Result<(), Fault> {
        let mut rows: HashMap<String, Document> = HashMap::new();
        for want in wants {
            for (name, alias) in &want.aliases {
                let (alias, token) = (hex(*alias), hex(want.token));
                let id = id(&[&want.space, name, &alias, &token]);
                let row = doc! {"_id": &id, "space": &want.space, "name": name, "alias": alias, "token": token};
                rows.insert(id, row);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = rows.keys().cloned().collect();
        for id in self.by_id(ALIASES, &ids).await?.keys() {
            rows.remove(id);
        }
        self.insert_absent(ALIASES, rows.into_values().collect()).await.map(|_| ())
    }

    fn key_row(&self, row: &Document) -> Result<KeyRow, Fault> {
        match row.get_str("state") {
            Ok("live") => Ok(KeyRow::Live(wrapped(row).ok_or_else(|| self.strange(KEYS))?)),
            Ok("shredded") => Ok(KeyRow::Shredded),
            _ => Err(self.strange(KEYS)),
        }
    }

    pub(crate) fn entry(&self, row: &Document) -> Result<KeyEntry, Fault> {
        let text = |name| row.get_str(name).map_err(|_| self.strange(KEYS));
        let token = token(text("token")?).ok_or_else(|| self.strange(KEYS))?;
        Ok(KeyEntry {
            space: text("space")?.to_owned(),
            token,
            class: text("class")?.to_owned(),
            row: self.key_row(row)?,
        })
    }

    async fn find_keys(&self, space: &str, token: Token) -> Result<Vec<KeyEntry>, Fault> {
        let mut rows = self.rows(KEYS, ids_under(&[space, &hex(token)])).await?;
        rows.sort_by(|a, b| a.get_str("class").ok().cmp(&b.get_str("class").ok()));
        rows.iter().map(|row| self.entry(row)).collect()
    }

    async fn resolve_alias(&self, space: &str, name: &str, alias: Token) -> Result<Vec<Token>, Fault> {
        let rows = self.rows(ALIASES, ids_under(&[space, name, &hex(alias)])).await?;
        let tokens: BTreeSet<Token> = rows
            .iter()
            .map(|row| row.get_str("token").ok().and_then(token).ok_or_else(|| self.strange(ALIASES)))
            .collect::<Result<_, _>>()?;
        Ok(tokens.into_iter().collect())
    }
}

impl SubjectKeys for MongodbVault {
    fn subjects(&self, wants: Vec<SubjectWant>) -> BoxFuture<'_, Result<Vec<Vec<KeyRow>>, StoreError>> {
        Box::pin(async move { self.make(&wants).await.map_err(|fault| self.at(fault)) })
    }

    fn find(&self, space: String, token: Token) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>> {
        Box::pin(async move { self.find_keys(&space, token).await.map_err(|fault| self.at(fault)) })
    }

    fn resolve(&self, space: String, name: String, alias: Token) -> BoxFuture<'_, Result<Vec<Token>, StoreError>> {
        Box::pin(async move { self.resolve_alias(&space, &name, alias).await.map_err(|fault| self.at(fault)) })
    }
}

/// Returns a token as 64 hexadecimal digits, the notation of references.
pub(crate) fn hex(token: Token) -> String {
    Reference(token.0).to_string()
}

fn token(hex: &str) -> Option<Token> {
    hex.parse().ok().map(|Reference(bytes)| Token(bytes))
}

/// Returns a filter for the live keys that a master wraps. Other keys have no master.
pub(crate) fn wrapped_by(master: u32) -> Document {
    doc! {"master": i64::from(master)}
}

/// Returns a filter of two ranges of the index. `$ne` would also match rows without a master.
pub(crate) fn wrapped_by_others(master: u32) -> Document {
    let master = i64::from(master);
    doc! {"$or": [{"master": {"$lt": master}}, {"master": {"$gt": master}}]}
}

/// Returns a filter for the row of an ID, provided that its key is still wrapped the same way. The
/// `_id` comes first, because some servers don't compare the indexes of a filter, and one master
/// wraps all keys.
pub(crate) fn still(id: &str, key: &WrappedKey) -> Document {
    let mut filter = doc! {"_id": id, "state": "live"};
    filter.extend(wrapping(key));
    filter
}

pub(crate) fn wrapping(key: &WrappedKey) -> Document {
    let sealed = Binary { subtype: BinarySubtype::Generic, bytes: key.sealed.clone() };
    doc! {"master": i64::from(key.master), "sealed": sealed}
}

pub(crate) fn wrapped(row: &Document) -> Option<WrappedKey> {
    let master = whole(row.get("master")).and_then(|master| u32::try_from(master).ok())?;
    match row.get("sealed") {
        Some(Bson::Binary(binary)) => Some(WrappedKey { master, sealed: binary.bytes.clone() }),
        _ => None,
    }
}

fn key_document(id: &str, space: &str, token: &Token, class: &str, key: &WrappedKey) -> Document {
    let mut row = doc! {"_id": id, "space": space, "token": hex(*token), "class": class, "state": "live"};
    row.extend(wrapping(key));
    row
}
