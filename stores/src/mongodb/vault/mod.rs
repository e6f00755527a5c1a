//! A vault in a database of MongoDB. It needs no transactions: data that must change together is
//! stored in one document, and data that must be created once is inserted under one `_id`.
//!
//! | collection | `_id` | holds |
//! |---|---|---|
//! | `lethe_keys` | `["space","token","class"]` | a wrapped key, or a mark that it was shredded |
//! | `lethe_aliases` | `["space","name","alias","token"]` | an alias of a subject |
//! | `lethe_key_checks` | `checks` | check values of all keys of the keys Secret, in one document |
//! | `lethe_day_keys` | `["pipeline","day"]` | the wrapped key of a day, or a mark that it was
//! destroyed |
//! | `lethe_attestations` | `["name","attestation"]` | who retired a master key, and why |
//! | `lethe_audit` | an ObjectId | a line of the audit record |
//! | `lethe_progress` | the pipeline | its progress, in one document |
//! | `lethe_places` | `["store","name","space","form","pipeline"]` | a place with personal data |

mod bookkeeping;
mod day_keys;
mod keys;
mod masters;

use std::{collections::HashMap, sync::Arc};

use mongodb::bson::{Bson, Document, doc};

use crate::{
    Access, Fault, StoreError, Vault,
    mongodb::{
        connect::{MongodbStore, check_concern, find, unreadable, write_concern},
        fault::of_code,
        schema::{create, is_there},
        sink::writes::{self, whole},
    },
};

pub(crate) const KEYS: &str = "lethe_keys";
pub(crate) const ALIASES: &str = "lethe_aliases";
pub(crate) const KEY_CHECKS: &str = "lethe_key_checks";
pub(crate) const DAY_KEYS: &str = "lethe_day_keys";
pub(crate) const ATTESTATIONS: &str = "lethe_attestations";
pub(crate) const AUDIT: &str = "lethe_audit";
pub(crate) const PROGRESS: &str = "lethe_progress";
pub(crate) const PLACES: &str = "lethe_places";

/// In the order of their creation. If the last one exists, all others exist.
const COLLECTIONS: [&str; 8] = [KEYS, ALIASES, DAY_KEYS, ATTESTATIONS, AUDIT, PROGRESS, PLACES, KEY_CHECKS];

/// Version of the layout above. A change needs a higher version and a step that migrates older
/// databases.
const LAYOUT: i64 = 1;

/// Maximum number of documents that one command writes or looks up.
const CHUNK: usize = 500;

/// A database that holds the keys of subjects and the data that must be as durable as they are.
pub struct MongodbVault {
    store: Arc<MongodbStore>,
    database: String,
}

impl MongodbVault {
    /// Creates absent collections and indexes. With [`Access::ReadOnly`] nothing is created, and
    /// the result is `None` if they are absent.
    pub async fn open(store: Arc<MongodbStore>, database: &str, access: Access) -> Result<Option<Self>, StoreError> {
        let vault = Self { store, database: database.to_owned() };
        let is_there = vault.ensure(access).await.map_err(|fault| vault.at(fault))?;
        Ok(is_there.then_some(vault))
    }

    async fn ensure(&self, access: Access) -> Result<bool, Fault> {
        if access == Access::ReadOnly && !is_there(&self.store, &self.database, KEY_CHECKS).await? {
            return Ok(false);
        }
        if let Some(layout) = self.one(KEY_CHECKS, "layout").await? {
            let version = whole(layout.get("version")).unwrap_or(i64::MAX);
            if version > LAYOUT {
                return Err(Fault::mismatch(format!(
                    "the key store in {} was made by a later version of Lethe (layout {version}, this one knows {LAYOUT}); upgrade",
                    self.database
                )));
            }
        }
        if access == Access::Create {
            for name in COLLECTIONS {
                if !is_there(&self.store, &self.database, name).await? {
                    create(&self.store, &self.database, name).await?;
                }
            }
            // The index holds only live keys, because shredded keys have no master.
            self.index(KEYS, doc! {"key": {"master": 1}, "name": "master_1", "sparse": true}).await?;
            self.index(ALIASES, doc! {"key": {"token": 1}, "name": "token_1"}).await?;
            self.insert_absent(KEY_CHECKS, vec![doc! {"_id": "layout", "version": LAYOUT}]).await?;
        }
        Ok(true)
    }

    async fn index(&self, collection: &str, index: Document) -> Result<(), Fault> {
        let doing = self.doing("createIndexes", collection);
        let command = doc! {"createIndexes": collection, "indexes": [index], "writeConcern": write_concern()};
        check_concern(&self.store.run_long(&self.database, command, &doing).await?, &doing)
    }

    pub(crate) fn at(&self, fault: Fault) -> StoreError {
        fault.at(self.store.name())
    }

    pub(crate) fn doing(&self, command: &str, collection: &str) -> String {
        format!("{command} {}.{collection}", self.database)
    }

    /// Returns the documents that match a filter.
    pub(crate) async fn rows(&self, collection: &str, filter: Document) -> Result<Vec<Document>, Fault> {
        self.read(collection, find(collection, filter)).await
    }

    async fn read(&self, collection: &str, command: Document) -> Result<Vec<Document>, Fault> {
        self.store.all(&self.database, command, &self.doing("find", collection)).await
    }

    /// Returns up to `limit` documents that match a filter.
    pub(crate) async fn some(&self, collection: &str, filter: Document, limit: usize) -> Result<Vec<Document>, Fault> {
        if limit == 0 {
            // The server takes 0 as no limit.
            return Ok(Vec::new());
        }
        let mut command = find(collection, filter);
        command.insert("limit", i64::try_from(limit).unwrap_or(i64::MAX));
        self.read(collection, command).await
    }

    /// Returns the document with this `_id`.
    pub(crate) async fn one(&self, collection: &str, id: &str) -> Result<Option<Document>, Fault> {
        Ok(self.some(collection, doc! {"_id": id}, 1).await?.pop())
    }

    /// Returns the documents with these IDs, by ID.
    pub(crate) async fn by_id(&self, collection: &str, ids: &[String]) -> Result<HashMap<String, Document>, Fault> {
        let mut found = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(CHUNK) {
            let mut command = find(collection, doc! {"_id": {"$in": ids}});
            // This avoids a second page: by default the first page of a server holds 101 documents.
            command.insert("batchSize", CHUNK as i32);
            for row in self.read(collection, command).await? {
                found.insert(id_of(&row).ok_or_else(|| self.strange(collection))?.to_owned(), row);
            }
        }
        Ok(found)
    }

    pub(crate) async fn count(&self, collection: &str, filter: Document) -> Result<u64, Fault> {
        let doing = self.doing("count", collection);
        let command = doc! {"count": collection, "query": filter, "readConcern": {"level": "majority"}};
        let reply = self.store.run(&self.database, command, &doing).await?;
        let number = whole(reply.get("n")).and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| unreadable(&doing))
    }

    /// Inserts the documents whose `_id` is absent. Returns the IDs that already existed.
    pub(crate) async fn insert_absent(&self, collection: &str, rows: Vec<Document>) -> Result<Vec<String>, Fault> {
        let doing = self.doing("insert", collection);
        let mut lost = Vec::new();
        for rows in rows.chunks(CHUNK) {
            let command = doc! {
                "insert": collection, "ordered": false, "writeConcern": write_concern(), "documents": rows,
            };
            let reply = self.store.run(&self.database, command, &doing).await?;
            for (number, code, name) in writes::errors(&reply, &doing)? {
                if code != 11000 {
                    return Err(of_code(code, &name, &doing));
                }
                let id = rows.get(number).and_then(id_of).ok_or_else(|| unreadable(&doing))?;
                lost.push(id.to_owned());
            }
            check_concern(&reply, &doing)?;
        }
        Ok(lost)
    }

    /// Runs updates (`{q, u, multi, upsert}`). Returns how many documents changed, and whether an
    /// upsert conflicted with a document that its filter did not match.
    pub(crate) async fn update(&self, collection: &str, updates: Vec<Document>) -> Result<(u64, bool), Fault> {
        let doing = self.doing("update", collection);
        let (mut changed, mut missed) = (0, false);
        for updates in updates.chunks(CHUNK) {
            let command = doc! {
                "update": collection, "ordered": false, "writeConcern": write_concern(), "updates": updates,
            };
            let reply = self.store.run(&self.database, command, &doing).await?;
            for (_, code, name) in writes::errors(&reply, &doing)? {
                if code != 11000 {
                    return Err(of_code(code, &name, &doing));
                }
                missed = true;
            }
            check_concern(&reply, &doing)?;
            changed += whole(reply.get("nModified")).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        }
        Ok((changed, missed))
    }

    pub(crate) async fn delete(&self, collection: &str, filter: Document) -> Result<(), Fault> {
        let doing = self.doing("delete", collection);
        let command = doc! {
            "delete": collection, "deletes": [{"q": filter, "limit": 0}], "writeConcern": write_concern(),
        };
        let reply = self.store.run(&self.database, command, &doing).await?;
        if let Some((_, code, name)) = writes::errors(&reply, &doing)?.into_iter().next() {
            return Err(of_code(code, &name, &doing));
        }
        check_concern(&reply, &doing)
    }

    /// Returns the error for a stored document that does not have the format of Lethe.
    pub(crate) fn strange(&self, collection: &str) -> Fault {
        Fault::internal(format!(
            "{}.{collection} holds a document that is not as Lethe writes it; restore it from a backup",
            self.database
        ))
    }
}

impl Vault for MongodbVault {
    // A client can't clean the oplog or the files of the storage engine. Their old contents are
    // deleted when the server reuses the space.
}

/// Returns an `_id` of several parts. It is JSON, so that the parts stay distinct.
pub(crate) fn id(parts: &[&str]) -> String {
    Bson::from(parts.to_vec()).into_relaxed_extjson().to_string()
}

/// Returns a filter for all IDs that start with these parts and have more.
pub(crate) fn ids_under(parts: &[&str]) -> Document {
    let mut from = id(parts);
    from.pop();
    let to = format!("{from}-");
    from.push(',');
    // `-` sorts after `,`.
    doc! {"_id": {"$gte": from, "$lt": to}}
}

pub(crate) fn id_of(row: &Document) -> Option<&str> {
    row.get_str("_id").ok()
}

/// Escapes a name for use as a field. Dots and dollars have a meaning in the paths of updates.
pub(crate) fn escaped(name: &str) -> String {
    let mut field = String::with_capacity(name.len() + 1);
    // A field must have a name, also if the escaped name is empty.
    field.push('_');
    for letter in name.chars() {
        match letter {
            '.' | '$' | '%' | '\0' => field.push_str(&format!("%{:02x}", u32::from(letter))),
            _ => field.push(letter),
        }
    }
    field
}

/// Returns the name of an escaped field; `None` if it is malformed.
pub(crate) fn unescaped(field: &str) -> Option<String> {
    let field = field.strip_prefix('_')?;
    let mut parts = field.split('%');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        name.push(char::from(u8::from_str_radix(part.get(..2)?, 16).ok()?));
        name.push_str(&part[2..]);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_gives_its_parts() {
        assert_eq!(id(&["a", "b\"c"]), r#"["a","b\"c"]"#);
        assert_eq!(ids_under(&["a", "b"]), doc! {"_id": {"$gte": r#"["a","b","#, "$lt": r#"["a","b"-"#}});
    }

    proptest! {
        #[test]
        fn any_name_can_be_a_field_s(name in ".*") {
            let field = escaped(&name);
            prop_assert!(!field.is_empty() && !field.contains(['.', '$', '\0']));
            prop_assert_eq!(unescaped(&field), Some(name));
        }

        #[test]
        fn no_other_id_has_the_prefix_of_the_parts(parts in ("[a,\"\\-]{0,3}", "[a,\"\\-]{0,3}"), other in "[a,\"\\-]{0,3}", more in ".*") {
            let range = ids_under(&[&parts.0, &parts.1]);
            let range = range.get_document("_id").unwrap();
            let under = |id: &str| id >= range.get_str("$gte").unwrap() && id < range.get_str("$lt").unwrap();
            prop_assert!(under(&id(&[&parts.0, &parts.1, &more])));
            prop_assert!(!under(&id(&[&parts.0, &parts.1])));
            prop_assert_eq!(under(&id(&[&parts.0, &other, &more])), other == parts.1);
        }
    }
}
