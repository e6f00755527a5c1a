//! A kept pair of databases, one of keys and one of documents, with dead letters in an SQLite file.

use std::{fs, sync::Arc};

use lethe_stores::{
    Access, DeadLetters, Vault,
    embedded::EmbeddedStore,
    mongodb::{MongodbStore, MongodbVault},
    open::MongodbConnection,
};
use lethe_tests::engines::engines;
use mongodb::{
    Client, Database,
    bson::{Bson, Document, doc},
};
use serde_json::Value;

use super::{
    StoredStore,
    embedded::{dump_file, keep_file, restore_file},
    entry::Entry,
};

/// Two databases and a file.
pub struct Stored {
    client: Client,
    names: [String; 2],
}

const FILE: &str = "letters.sqlite";
const KEPT: &str = "letters.db.gz";
const DOCUMENTS: &str = "documents.ndjson";
/// Names the indexes of a collection among the documents.
const INDEXES: &str = " indexes";

impl Stored {
    fn databases(&self) -> [Database; 2] {
        self.names.each_ref().map(|name| self.client.database(name))
    }

    /// Everything in the two databases; indexes first.
    async fn documents(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for database in self.databases() {
            let mut names = database.list_collection_names().await.unwrap();
            names.sort();
            for name in names {
                for (place, command) in [
                    (format!("{name}{INDEXES}"), doc! {"listIndexes": &name}),
                    (name.clone(), doc! {"find": &name, "sort": {"_id": 1}, "batchSize": 10_000}),
                ] {
                    let reply = database.run_command(command).await.unwrap();
                    let rows = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
                    entries.extend(rows.into_iter().map(|row| Entry::new(&place, row.into_canonical_extjson())));
                }
            }
        }
        entries
    }
}

fn document(row: &Value) -> Document {
    match Bson::try_from(row.clone()).unwrap() {
        Bson::Document(document) => document,
        other => panic!("no document: {other}"),
    }
}

impl StoredStore for Stored {
    const FOLDER: &'static str = "mongodb";
    const SINKS: [&'static str; 2] = ["profiles", "profile_history"];

    async fn connect(stored: &super::Stored) -> Self {
        let client = Client::with_uri_str(format!("mongodb://{}", engines().mongodb())).await.unwrap();
        Self { client, names: ["keys", "rows"].map(|part| format!("{}_{part}", stored.name)) }
    }

    async fn restore(&self, stored: &super::Stored) {
        let [keys, rows] = self.databases();
        for line in stored.renamed(&stored.kept(DOCUMENTS)).lines() {
            let entry = Entry::of(line);
            let database = if entry.place.starts_with("lethe_") { &keys } else { &rows };
            let command = match entry.place.strip_suffix(INDEXES) {
                // The server makes this one with the collection.
                Some(name) if entry.row["name"] == "_id_" => doc! {"create": name},
                Some(name) => {
                    let mut index = document(&entry.row);
                    // A server of another version writes its own.
                    index.remove("v");
                    index.remove("ns");
                    doc! {"createIndexes": name, "indexes": [index]}
                }
                None => doc! {"insert": &entry.place, "documents": [document(&entry.row)]},
            };
            database.run_command(command).await.unwrap();
        }
        restore_file(&stored.kept_path(KEPT), &stored.path(FILE));
    }

    async fn dump(&self, stored: &super::Stored) -> Vec<Entry> {
        let mut entries = self.documents().await;
        entries.extend(dump_file(&stored.path(FILE)));
        entries
    }

    async fn keep(&self, stored: &super::Stored) {
        let lines: Vec<String> = self.documents().await.iter().map(Entry::line).collect();
        fs::write(stored.kept_path(DOCUMENTS), stored.as_kept(&(lines.join("\n") + "\n"))).unwrap();
        keep_file(&stored.path(FILE), &stored.kept_path(KEPT));
    }

    async fn vault(&self, _: &super::Stored) -> Arc<dyn Vault> {
        let connection = MongodbConnection {
            store: "store".to_owned(),
            hosts: vec![engines().mongodb().to_owned()],
            replica_set: None,
            tls: None,
            login: None,
            auth_source: "admin".to_owned(),
        };
        let store = MongodbStore::connect(&connection).await.unwrap();
        Arc::new(MongodbVault::open(store, &self.names[0], Access::ReadOnly).await.unwrap().unwrap())
    }

    async fn letters(&self, stored: &super::Stored) -> Arc<dyn DeadLetters> {
        EmbeddedStore::open("letters", &stored.path(FILE)).unwrap()
    }

    async fn shred_and_register(&self, _: &super::Stored, token: [u8; 32]) {
        let [keys, _] = self.databases();
        let token = crate::fixture::hex(lethe_core::identity::Token(token));
        let change = doc! {"$set": {"state": "shredded"}, "$unset": {"master": 1, "sealed": 1}};
        let updates = [doc! {"q": {"token": token}, "u": change, "multi": true}].to_vec();
        let reply = keys.run_command(doc! {"update": "lethe_keys", "updates": updates}).await.unwrap();
        assert_eq!(reply.get_i32("nModified"), Ok(2));
        let row = doc! {
            "_id": r#"["store","tokens","customers","Token","default.people"]"#, "store": "store", "name": "tokens",
            "space": "customers", "form": "Token", "pipeline": "default.people",
        };
        keys.run_command(doc! {"insert": "lethe_places", "documents": [row]}).await.unwrap();
    }

    async fn end(&self, _: &super::Stored) {
        for database in self.databases() {
            database.drop().await.unwrap();
        }
    }
}
