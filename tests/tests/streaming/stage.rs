//! A pipeline on the real servers, with names of its own for everything that it makes there; all of it
//! goes when the test ends.

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use futures::TryStreamExt;
use lethe_stores::connection::KafkaConnection;
use lethe_tests::engines::{Engines, engines};
use lethe_worker::generate::GenerateOptions;
use mongodb::{
    Client,
    bson::{Document, doc},
};
use scylla::client::session::Session;
use serde_yaml::Value;
use tokio::runtime::Runtime;

use crate::{
    folder::{Folder, repository},
    tables::{self, Row, Table},
    topics::{Record, Sent, Topics},
    worker::{Ended, finish},
};

/// Partitions of the source.
pub const PARTITIONS: i32 = 4;

/// A pipeline, its stores, and clients to look into them.
pub struct Stage {
    /// Its manifests and keys.
    pub folder: Folder,
    /// The topics of its cluster.
    pub topics: Topics,
    engines: Engines,
    runtime: Runtime,
    cassandra: OnceLock<Session>,
    name: String,
}

impl Stage {
    /// `examples/streaming`, and an empty topic for it to read.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with another `spec`.
    pub fn with(change: impl FnOnce(&mut Value)) -> Self {
        let manifest = fs::read_to_string(repository().join("examples/streaming/pipeline.yaml")).unwrap();
        Self::of(&manifest, change)
    }

    /// A pipeline of another manifest, with the stores of `examples/streaming`.
    pub fn of(manifest: &str, change: impl FnOnce(&mut Value)) -> Self {
        Self::on(engines().clone(), manifest, change)
    }

    /// `examples/streaming` on other servers than the shared ones.
    pub fn at(engines: Engines) -> Self {
        let manifest = fs::read_to_string(repository().join("examples/streaming/pipeline.yaml")).unwrap();
        Self::on(engines, &manifest, |_| {})
    }

    fn on(engines: Engines, manifest: &str, change: impl FnOnce(&mut Value)) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let stage = Self {
            folder: Folder::empty(),
            topics: Topics::at(engines.kafka()),
            engines,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
            cassandra: OnceLock::new(),
            name,
        };
        let mut manifest: Value = serde_yaml::from_str(manifest).unwrap();
        manifest["metadata"]["name"] = stage.pipeline().into();
        stage.rename(&mut manifest["spec"]);
        change(&mut manifest["spec"]);
        stage.write(&manifest);
        stage.folder.write("store.yaml", stage.stores());
        stage.folder.create_keys();
        stage.topics.create(&stage.source(), PARTITIONS);
        stage.cassandra();
        stage
    }

    /// Gives everything that is made on a server a name of this test's.
    fn rename(&self, spec: &mut Value) {
        spec["source"]["kafka"]["topic"] = self.source().into();
        spec["source"]["kafka"]["group"] = self.group().into();
        spec["keys"]["database"] = self.keys().into();
        for sink in spec["sinks"].as_sequence_mut().unwrap() {
            for (kind, key, name) in [
                ("cassandra", "keyspace", self.keyspace()),
                ("mongodb", "database", self.database()),
                ("kafka", "topic", self.clean()),
            ] {
                if !sink[kind].is_null() {
                    sink[kind][key] = name.into();
                }
            }
        }
        if !spec["deadLetter"]["kafka"].is_null() {
            spec["deadLetter"]["kafka"]["topic"] = self.dead().into();
        }
    }

    /// The DataStores of `examples/streaming`, at the servers of the tests.
    fn stores(&self) -> String {
        let text = fs::read_to_string(repository().join("examples/streaming/store.yaml")).unwrap();
        [
            ("127.0.0.1:19092", &*self.kafka().replace(',', "\", \"")),
            ("127.0.0.1:19042", self.engines.cassandra()),
            ("127.0.0.1:29017", self.engines.mongodb()),
        ]
        .iter()
        .fold(text, |text, (there, here)| text.replace(there, here))
    }

    /// `host:port` of its brokers, with commas between them.
    pub fn kafka(&self) -> &str {
        self.engines.kafka()
    }

    /// Its Kafka, as the project's own clients connect to it.
    pub fn connection(&self) -> KafkaConnection {
        KafkaConnection {
            store: "events".to_owned(),
            bootstrap_servers: self.kafka().split(',').map(str::to_owned).collect(),
            tls: None,
            login: None,
        }
    }

    /// The manifest of the pipeline, as it is now.
    pub fn manifest(&self) -> Value {
        serde_yaml::from_slice(&self.folder.read("pipeline.yaml")).unwrap()
    }

    fn write(&self, manifest: &Value) {
        self.folder.write("pipeline.yaml", serde_yaml::to_string(manifest).unwrap());
    }

    /// Changes the `spec` of the pipeline.
    pub fn declare(&self, change: impl FnOnce(&mut Value)) {
        let mut manifest = self.manifest();
        change(&mut manifest["spec"]);
        self.write(&manifest);
    }

    /// The topic that is read.
    pub fn source(&self) -> String {
        format!("{}_profiles", self.name)
    }

    /// The topic that is written.
    pub fn clean(&self) -> String {
        format!("{}_clean", self.name)
    }

    /// The topic of the dead letters.
    pub fn dead(&self) -> String {
        format!("{}_dead", self.name)
    }

    /// The consumer group.
    pub fn group(&self) -> String {
        format!("{}_workers", self.name)
    }

    /// The keyspace of the tables.
    pub fn keyspace(&self) -> String {
        format!("{}_shop", self.name)
    }

    /// The name of the pipeline.
    pub fn pipeline(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The keyspace, or the database, of the keys.
    pub fn keys(&self) -> String {
        format!("{}_keys", self.name)
    }

    /// The database of the documents.
    pub fn database(&self) -> String {
        format!("{}_shop", self.name)
    }

    /// `lethe-worker run` of what is here, in the pipeline's own group, to the end of the topic.
    pub fn runs(&self, more: &[&str]) -> Command {
        let mut command = self.folder.runs(&["--join"]);
        command.args(more);
        command
    }

    /// Runs the pipeline to the end of its topic.
    #[track_caller]
    pub fn run(&self, more: &[&str]) -> Ended {
        finish(&mut self.runs(more))
    }

    /// Writes made-up events to the source, as `lethe-worker generate` does; answers its summary.
    pub fn generate(&self, options: &GenerateOptions) -> serde_json::Value {
        let text = |number: &dyn ToString| number.to_string();
        let (count, seed, start) = (text(&options.count), text(&options.seed), text(&options.start));
        let rates = [
            ("--duplicates", options.duplicates),
            ("--invalid", options.invalid),
            ("--not-json", options.not_json),
            ("--no-consent", options.no_consent),
            ("--late", options.late),
            ("--deletes", options.deletes),
        ];
        let source = self.source();
        let mut command = self.folder.worker(&["generate", "account", "--summary", "--output", "json"]);
        command.args(["--count", &count, "--seed", &seed, "--start", &start, "--subjects", &text(&options.subjects)]);
        command.args(["--to", "kafka", "--bootstrap", self.engines.kafka(), "--topic", &source]);
        command.args(rates.iter().flat_map(|(name, rate)| [(*name).to_owned(), rate.to_string()]));
        let ended = finish(&mut command).well();
        let summary: serde_json::Value = serde_json::from_slice(&ended.err).unwrap();
        summary["counts"].clone()
    }

    /// Writes records to the source.
    pub fn produce(&self, records: impl IntoIterator<Item = Sent>) {
        self.topics.produce(&self.source(), records);
    }

    /// What a topic of the pipeline holds; nothing where it was not made.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        self.topics.read(topic)
    }

    /// A sink of the manifest.
    pub fn sink(&self, name: &str) -> Value {
        let manifest = self.manifest();
        let sinks = manifest["spec"]["sinks"].as_sequence().unwrap();
        sinks.iter().find(|sink| sink["name"] == name).unwrap_or_else(|| panic!("no sink {name}")).clone()
    }

    /// The session with Cassandra.
    pub fn cassandra(&self) -> &Session {
        self.cassandra.get_or_init(|| self.wait(tables::connect(self.engines.cassandra())))
    }

    /// Runs a statement of CQL.
    pub fn cql(&self, statement: &str) {
        self.wait(self.cassandra().query_unpaged(statement, ())).unwrap();
    }

    /// Rows of the table of a sink.
    pub fn rows(&self, sink: &str) -> Vec<Row> {
        self.wait(tables::rows(self.cassandra(), &Table::of(&self.sink(sink))))
    }

    /// Documents of the collection of a sink, whole, in the order of `_id`.
    pub fn documents(&self, sink: &str) -> Vec<Document> {
        let sink = self.sink(sink);
        let collection = sink["mongodb"]["collection"].as_str().unwrap().to_owned();
        self.wait(async {
            let database = self.mongodb().await.database(&self.database());
            let found = database.collection::<Document>(&collection).find(doc! {}).sort(doc! {"_id": 1}).await;
            found.unwrap().try_collect().await.unwrap()
        })
    }

    /// Makes an index of the collection of a sink that removes documents so many seconds after a date.
    pub fn index(&self, sink: &str, field: &str, seconds: i32) {
        let sink = self.sink(sink);
        let collection = sink["mongodb"]["collection"].as_str().unwrap().to_owned();
        let index = doc! {"key": {field: 1}, "name": "own", "expireAfterSeconds": seconds};
        let command = doc! {"createIndexes": collection, "indexes": [index]};
        self.wait(async { self.mongodb().await.database(&self.database()).run_command(command).await }).unwrap();
    }

    /// What lies in every place of the pipeline on every server: names, and all bytes.
    pub fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        let mut places = BTreeMap::new();
        for topic in [self.source(), self.clean(), self.dead()] {
            let records = self.read(&topic);
            places.insert(topic, records.iter().flat_map(Record::bytes).collect());
        }
        self.wait(async {
            for keyspace in [self.keyspace(), self.keys()] {
                places.extend(tables::everything(self.cassandra(), &keyspace).await);
            }
            let client = self.mongodb().await;
            for name in [self.database(), self.keys()] {
                let database = client.database(&name);
                for collection in database.list_collection_names().await.unwrap() {
                    let found = database.collection::<Document>(&collection).find(doc! {}).await.unwrap();
                    let documents: Vec<Document> = found.try_collect().await.unwrap();
                    let bytes =
                        documents.iter().flat_map(|document| mongodb::bson::to_vec(document).unwrap()).collect();
                    places.insert(format!("{name}.{collection}"), bytes);
                }
            }
        });
        places
    }

    async fn mongodb(&self) -> Client {
        Client::with_uri_str(format!("mongodb://{}", self.engines.mongodb())).await.unwrap()
    }

    /// Waits for an answer.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

impl Drop for Stage {
    /// What can't be removed is left: a test that failed may have broken anything.
    fn drop(&mut self) {
        self.topics.remove(&[self.source(), self.clean(), self.dead()], &[self.group()]);
        self.wait(async {
            for keyspace in [self.keyspace(), self.keys()] {
                if let Some(session) = self.cassandra.get() {
                    let _ = session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {keyspace}"), ()).await;
                }
            }
            if let Ok(client) = Client::with_uri_str(format!("mongodb://{}", self.engines.mongodb())).await {
                for database in [self.database(), self.keys()] {
                    let _ = client.database(&database).drop().await;
                }
            }
        });
    }
}
