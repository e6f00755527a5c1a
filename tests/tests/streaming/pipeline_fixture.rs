//! A pipeline on real servers, with names of its own for everything that it creates there. All of
//! it is deleted when the test ends.

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
use lethe_generate::GenerateOptions;
use lethe_stores::open::KafkaConnection;
use lethe_tests::{
    engines::{Engines, engines},
    folder::{Folder, repository},
    process::{Ended, finish},
};
use mongodb::{
    Client,
    bson::{Document, RawDocumentBuf, doc},
};
use scylla::client::session::Session;
use serde_yaml::Value;
use tokio::runtime::Runtime;

use crate::{
    tables::{self, Row, Table},
    topics::{Record, Sent, Topics},
};

/// Partitions of the source.
pub const PARTITIONS: i32 = 4;

/// A pipeline, its stores, and clients that read them.
pub struct PipelineFixture {
    /// Its manifests and keys.
    pub folder: Folder,
    /// The topics of its cluster.
    pub topics: Topics,
    engines: Engines,
    runtime: Runtime,
    cassandra: OnceLock<Session>,
    name: String,
}

impl PipelineFixture {
    /// Creates `examples/streaming` with an empty source topic.
    pub fn new() -> Self {
        Self::with_spec(|_| {})
    }

    /// Creates `examples/streaming` with a changed `spec`.
    pub fn with_spec(change: impl FnOnce(&mut Value)) -> Self {
        let manifest = fs::read_to_string(repository().join("examples/streaming/pipeline.yaml")).unwrap();
        Self::with_manifest(&manifest, change)
    }

    /// Creates a pipeline of another manifest with the stores of `examples/streaming`.
    pub fn with_manifest(manifest: &str, change: impl FnOnce(&mut Value)) -> Self {
        Self::create(engines().clone(), manifest, change)
    }

    /// Creates `examples/streaming` on these servers.
    pub fn on_servers(engines: Engines) -> Self {
        let manifest = fs::read_to_string(repository().join("examples/streaming/pipeline.yaml")).unwrap();
        Self::create(engines, &manifest, |_| {})
    }

    fn create(engines: Engines, manifest: &str, change: impl FnOnce(&mut Value)) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let fixture = Self {
            folder: Folder::empty(),
            topics: Topics::at(engines.kafka()),
            engines,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
            cassandra: OnceLock::new(),
            name,
        };
        let mut manifest: Value = serde_yaml::from_str(manifest).unwrap();
        manifest["metadata"]["name"] = fixture.pipeline().into();
        fixture.rename(&mut manifest["spec"]);
        change(&mut manifest["spec"]);
        fixture.write(&manifest);
        fixture.folder.write("store.yaml", fixture.stores());
        fixture.folder.create_keys();
        fixture.topics.create(&fixture.source(), PARTITIONS);
        fixture.cassandra();
        fixture
    }

    /// Gives everything that is created on a server a name of this fixture.
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

    /// Returns the DataStores of `examples/streaming` with the addresses of the servers.
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

    /// Returns `host:port` of its brokers, separated by commas.
    pub fn kafka(&self) -> &str {
        self.engines.kafka()
    }

    /// Returns the connection to its Kafka for clients of `lethe_stores`.
    pub fn connection(&self) -> KafkaConnection {
        KafkaConnection {
            store: "events".to_owned(),
            bootstrap_servers: self.kafka().split(',').map(str::to_owned).collect(),
            tls: None,
            login: None,
        }
    }

    /// Returns the current manifest of the pipeline.
    pub fn manifest(&self) -> Value {
        serde_yaml::from_slice(&self.folder.read("pipeline.yaml")).unwrap()
    }

    fn write(&self, manifest: &Value) {
        self.folder.write("pipeline.yaml", serde_yaml::to_string(manifest).unwrap());
    }

    /// Changes the `spec` of the pipeline.
    pub fn edit_spec(&self, change: impl FnOnce(&mut Value)) {
        let mut manifest = self.manifest();
        change(&mut manifest["spec"]);
        self.write(&manifest);
    }

    /// Returns the name of the source topic.
    pub fn source(&self) -> String {
        format!("{}_profiles", self.name)
    }

    /// Returns the name of the output topic.
    pub fn clean(&self) -> String {
        format!("{}_clean", self.name)
    }

    /// Returns the name of the topic of dead letters.
    pub fn dead(&self) -> String {
        format!("{}_dead", self.name)
    }

    /// Returns the name of the consumer group.
    pub fn group(&self) -> String {
        format!("{}_workers", self.name)
    }

    /// Returns the keyspace of the tables.
    pub fn keyspace(&self) -> String {
        format!("{}_shop", self.name)
    }

    /// Returns the name of the pipeline.
    pub fn pipeline(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Returns the keyspace or database of the keys.
    pub fn keys(&self) -> String {
        format!("{}_keys", self.name)
    }

    /// Returns the database of the documents.
    pub fn database(&self) -> String {
        format!("{}_shop", self.name)
    }

    /// Returns the command that runs the pipeline in its group to the end of its topic.
    pub fn run_command(&self, more: &[&str]) -> Command {
        let mut command = self.folder.run_command(&["--join"]);
        command.args(more);
        command
    }

    /// Runs the pipeline to the end of its topic.
    #[track_caller]
    pub fn run(&self, more: &[&str]) -> Ended {
        finish(&mut self.run_command(more))
    }

    /// Writes generated events to the source topic. Returns the summary of `lethe-generate`.
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
        let mut command = self.folder.generator(&["account", "--summary", "--output", "json"]);
        command.args(["--count", &count, "--seed", &seed, "--start", &start, "--subjects", &text(&options.subjects)]);
        command.args(["--to", "kafka", "--bootstrap", self.engines.kafka(), "--topic", &source]);
        command.args(rates.iter().flat_map(|(name, rate)| [(*name).to_owned(), rate.to_string()]));
        let ended = finish(&mut command).success();
        let summary: serde_json::Value = serde_json::from_slice(&ended.err).unwrap();
        summary["counts"].clone()
    }

    /// Writes records to the source topic.
    pub fn produce(&self, records: impl IntoIterator<Item = Sent>) {
        self.topics.produce(&self.source(), records);
    }

    /// Returns the records of a topic of the pipeline.
    pub fn read(&self, topic: &str) -> Vec<Record> {
        self.topics.read(topic)
    }

    /// Returns a sink of the manifest.
    pub fn sink(&self, name: &str) -> Value {
        let manifest = self.manifest();
        let sinks = manifest["spec"]["sinks"].as_sequence().unwrap();
        sinks.iter().find(|sink| sink["name"] == name).unwrap_or_else(|| panic!("no sink {name}")).clone()
    }

    /// Returns the session with Cassandra.
    pub fn cassandra(&self) -> &Session {
        self.cassandra.get_or_init(|| self.block_on(tables::connect(self.engines.cassandra())))
    }

    /// Runs a statement of CQL.
    pub fn cql(&self, statement: &str) {
        self.block_on(self.cassandra().query_unpaged(statement, ())).unwrap();
    }

    /// Returns the rows of the table of a sink.
    pub fn rows(&self, sink: &str) -> Vec<Row> {
        self.block_on(tables::rows(self.cassandra(), &Table::of(&self.sink(sink))))
    }

    /// Returns the documents of the collection of a sink in the order of `_id`.
    pub fn documents(&self, sink: &str) -> Vec<Document> {
        let sink = self.sink(sink);
        let collection = sink["mongodb"]["collection"].as_str().unwrap().to_owned();
        self.block_on(async {
            let database = self.mongodb().await.database(&self.database());
            // Raw, because serde would interpret names like `$date` in a document.
            let found = database.collection::<RawDocumentBuf>(&collection).find(doc! {}).sort(doc! {"_id": 1}).await;
            let raw: Vec<RawDocumentBuf> = found.unwrap().try_collect().await.unwrap();
            raw.iter().map(|document| Document::try_from(&**document).unwrap()).collect()
        })
    }

    /// Creates an index of the collection of a sink that removes documents so many seconds after a
    /// date.
    pub fn create_ttl_index(&self, sink: &str, field: &str, seconds: i32) {
        let sink = self.sink(sink);
        let collection = sink["mongodb"]["collection"].as_str().unwrap().to_owned();
        let index = doc! {"key": {field: 1}, "name": "own", "expireAfterSeconds": seconds};
        let command = doc! {"createIndexes": collection, "indexes": [index]};
        self.block_on(async { self.mongodb().await.database(&self.database()).run_command(command).await }).unwrap();
    }

    /// Returns all bytes of every topic, table and collection of the pipeline, by its name.
    pub fn dump(&self) -> BTreeMap<String, Vec<u8>> {
        let mut places = BTreeMap::new();
        for topic in [self.source(), self.clean(), self.dead()] {
            let records = self.read(&topic);
            places.insert(topic, records.iter().flat_map(Record::bytes).collect());
        }
        self.block_on(async {
            for keyspace in [self.keyspace(), self.keys()] {
                places.extend(tables::dump(self.cassandra(), &keyspace).await);
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

    /// Runs a future to its end.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

impl Drop for PipelineFixture {
    /// Ignores errors: a test that failed may have stopped a server.
    fn drop(&mut self) {
        self.topics.remove(&[self.source(), self.clean(), self.dead()], &[self.group()]);
        self.block_on(async {
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
