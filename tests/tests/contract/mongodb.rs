//! MongoDB: one client for the whole binary, and a database for each law. A shared one would get
//! slow: some laws write documents of 16 MB.

use std::sync::Arc;

use lethe_core::identity::Token;
use lethe_crds::profile_pipeline::{Manage, MongodbSink};
use lethe_stores::{
    Access, Records, StoreError, Vault,
    mongodb::{CollectionOptions, CollectionSink, MongodbRecords, MongodbStore, MongodbVault},
    open::MongodbConnection,
};
use lethe_tests::engines::engines;
use mongodb::{
    Client,
    bson::{Bson, Document, doc},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    event::{AGE, Event},
    fixture::{
        AbsentVaultStore, Answers, Deletion, Expiry, Fixture, LatestStore, RecordsStore, RefusingStore, Row, Shape,
        SinkStore, Subjects, TableStore, VaultStore, hex, is_left_over, number, run_name,
    },
    laws::{
        bookkeeping::bookkeeping_laws, day_keys::day_keys_laws, keys::keys_laws, latest::latest_laws, look::look_laws,
        masters::masters_laws, records::records_laws, refusal::refusal_laws, sink::sink_laws, table::table_laws,
    },
};

sink_laws!(Mongodb);
latest_laws!(Mongodb);
table_laws!(Mongodb);
refusal_laws!(Mongodb);
records_laws!(Mongodb);
keys_laws!(Mongodb);
masters_laws!(Mongodb);
day_keys_laws!(Mongodb);
bookkeeping_laws!(Mongodb);
look_laws!(Mongodb);

struct Mongodb {
    store: Arc<MongodbStore>,
    client: Client,
    /// The database of this law, which is absent until something is opened in it.
    database: String,
}

impl Fixture for Mongodb {
    async fn new() -> Self {
        static SHARED: OnceCell<(Arc<MongodbStore>, Client)> = OnceCell::const_new();
        let (store, client) = SHARED.get_or_init(connect).await.clone();
        Self { store, client, database: format!("{}_{}", run_name(), number()) }
    }

    async fn end(self) {
        self.client.database(&self.database).drop().await.unwrap();
    }
}

async fn connect() -> (Arc<MongodbStore>, Client) {
    let connection = MongodbConnection {
        store: "docs".to_owned(),
        hosts: vec![engines().mongodb().to_owned()],
        replica_set: None,
        tls: None,
        login: None,
        auth_source: "admin".to_owned(),
    };
    let store = MongodbStore::connect(&connection).await.unwrap();
    let client = Client::with_uri_str(format!("mongodb://{}", engines().mongodb())).await.unwrap();
    for name in client.list_database_names().await.unwrap() {
        if is_left_over(&name) {
            client.database(&name).drop().await.unwrap();
        }
    }
    (store, client)
}

impl Mongodb {
    /// The documents that fit a filter.
    async fn find(&self, collection: &str, filter: Document, sort: Document) -> Vec<Document> {
        let command = doc! {"find": collection, "filter": filter, "sort": sort, "batchSize": 100_000};
        let reply = self.client.database(&self.database).run_command(command).await.unwrap();
        let batch = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        batch.iter().map(|row| row.as_document().unwrap().clone()).collect()
    }

    async fn open_vault(&self) -> MongodbVault {
        MongodbVault::open(Arc::clone(&self.store), &self.database, Access::Create).await.unwrap().unwrap()
    }
}

fn collection(shape: Shape) -> &'static str {
    match shape {
        Shape::Latest => "latest",
        Shape::Append => "events",
        Shape::AppendByTime => panic!("the key of a collection of events is always the subject and the id"),
    }
}

impl Mongodb {
    fn options(&self, collection: &str, shape: Shape) -> CollectionOptions {
        let sink = MongodbSink {
            store_ref: serde_json::from_value(json!({"name": "docs"})).unwrap(),
            database: self.database.clone(),
            collection: collection.to_owned(),
            manage: Some(Manage::Create),
        };
        CollectionOptions { sink, records: shape.records(), max_age: Some(AGE) }
    }
}

impl SinkStore for Mongodb {
    type Sink = CollectionSink;

    const CASES: u32 = 40;

    async fn open(&self, shape: Shape) -> CollectionSink {
        CollectionSink::open(Arc::clone(&self.store), self.options(collection(shape), shape), Access::Create)
            .await
            .unwrap()
    }

    async fn rows(&self, shape: Shape, of: &Subjects) -> Vec<Row> {
        let filter = doc! {"subject_ref": {"$in": of.references()}};
        let found = self.find(collection(shape), filter, doc! {"_id": 1}).await;
        let mut rows: Vec<Row> = found.iter().map(|row| read(row, of)).collect();
        rows.sort_by(|a, b| a.seen.cmp(&b.seen));
        rows
    }
}

fn read(row: &Document, of: &Subjects) -> Row {
    let subject = of.find(row.get_str("subject_ref").unwrap()).unwrap();
    let document = (!row.contains_key("_deleted_at")).then(|| {
        let mut document = json!({});
        for name in ["plan", "address"] {
            if let Some(value) = row.get(name) {
                document[name] = value.clone().into_relaxed_extjson();
            }
        }
        document
    });
    let found = Row::of(subject, row.get_str("event_id").unwrap(), row.get_i64("_version").unwrap(), document.as_ref());
    let expires = match row.get("_expires_at") {
        Some(Bson::DateTime(date)) => Some(Expiry(date.timestamp_millis())),
        _ => None,
    };
    Row { expires, whole: format!("{row:?}"), ..found }
}

impl LatestStore for Mongodb {
    const DELETION: Deletion = Deletion::Marker;
}

impl TableStore for Mongodb {
    const ANSWERS: Answers = Answers::Row;
}

impl RefusingStore for Mongodb {
    const MISFIT: &'static str = r#"{"_version":"hunter2"}"#;
    const MISFIT_RULE: (&'static str, Option<&'static str>) = ("name", None);
    const LARGE: usize = 15_900_000;
    const TOO_LARGE: &'static [usize] = &[17_000_000];
}

impl RecordsStore for Mongodb {
    async fn records(&self, shape: Shape) -> Box<dyn Records> {
        Box::new(MongodbRecords::new(Arc::clone(&self.store), self.options(collection(shape), shape)))
    }

    async fn absent(&self) -> Box<dyn Records> {
        let nowhere = self.options("nowhere", Shape::Latest);
        Box::new(MongodbRecords::new(Arc::clone(&self.store), nowhere))
    }

    fn found(event: &Event, of: &Subjects) -> Value {
        let mut document: Value = serde_json::from_str(&event.document(of)).unwrap();
        document.as_object_mut().unwrap().remove("event_time");
        document
    }
}

impl VaultStore for Mongodb {
    const CASES: u32 = 12;

    async fn vault(&self) -> Arc<dyn Vault> {
        Arc::new(self.open_vault().await)
    }

    async fn shred(&self, space: String, token: Token) -> Result<u64, StoreError> {
        self.open_vault().await.shred(space, token).await
    }

    async fn sealed_rows(&self, space: String, token: Token) -> u64 {
        let filter = doc! {
            "space": space, "token": hex(token),
            "$or": [{"sealed": {"$exists": true}}, {"master": {"$exists": true}}],
        };
        self.find("lethe_keys", filter, doc! {}).await.len() as u64
    }

    async fn attestations(&self, key: String) -> Vec<String> {
        let rows = self.find("lethe_attestations", doc! {"key_name": key}, doc! {"_id": 1}).await;
        rows.iter().map(|row| row.get_str("attestation").unwrap().to_owned()).collect()
    }

    async fn audit_lines(&self) -> Vec<String> {
        let rows = self.find("lethe_audit", doc! {}, doc! {"_id": 1}).await;
        rows.iter().map(|row| row.get_str("line").unwrap().to_owned()).collect()
    }
}

impl AbsentVaultStore for Mongodb {
    async fn look(&self) -> bool {
        MongodbVault::open(Arc::clone(&self.store), &self.database, Access::ReadOnly).await.unwrap().is_some()
    }

    async fn make(&self) {
        self.open_vault().await;
    }

    async fn is_anything_there(&self) -> bool {
        !self.client.database(&self.database).list_collection_names().await.unwrap().is_empty()
    }
}
