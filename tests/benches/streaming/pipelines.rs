//! The measured pipelines, in a temporary folder and with names of their own in every store. Keys
//! are in MongoDB: the threads of a Cassandra with few requests wake thousands of times a second,
//! and take a core from the worker.

use std::{
    cell::{Cell, RefCell},
    fs,
    process::{Command, Stdio},
};

use futures::executor::block_on;
use lethe_generate::{GenerateOptions, Generator, Kind, pour};
use lethe_stores::{kafka::Feeder, open::KafkaConnection};
use lethe_tests::{engines::Engines, programs::worker_program};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use scylla::client::session_builder::SessionBuilder;
use tempfile::TempDir;

use crate::measured::{Cost, measure};

/// Default number of partitions of a topic.
pub const PARTITIONS: i32 = 6;

/// A column for each field, and the columns that every table has.
const TABLE: &str = "partitionKey: [subject_ref], columns: [{name: subject_ref, type: text, meta: SubjectRef}, \
    {name: event_id, type: text, meta: EventId}, {name: event_time, type: timestamp, meta: EventTime}, \
    {name: version, type: bigint, meta: Version}, {name: email, type: text, path: /email}, \
    {name: national_id, type: text, path: /national_id}, {name: phone, type: text, path: /phone}, \
    {name: postcode, type: text, path: /address/postcode}, {name: note, type: text, path: /note}, \
    {name: tier, type: text, path: /tier}, {name: plan, type: text, path: /plan}]";

/// The sinks of a pipeline.
#[derive(Clone, Copy)]
pub struct Sinks {
    pub topic: bool,
    pub cassandra: bool,
    pub mongodb: bool,
    /// All events instead of the latest of each subject. A topic always has all.
    pub append: bool,
}

pub struct BenchPipelines<'e> {
    engines: &'e Engines,
    folder: TempDir,
    name: String,
    number: Cell<u32>,
    topics: RefCell<Vec<String>>,
}

impl<'e> BenchPipelines<'e> {
    pub fn new(engines: &'e Engines) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("lethe_bench_{}", std::process::id());
        let pipelines = Self { engines, folder, name, number: Cell::new(0), topics: Vec::new().into() };
        let mut create = pipelines.command(&["keys", "create", "lethe-keys", "--to", "keys.yaml"]);
        assert!(create.stdout(Stdio::null()).status().unwrap().success());
        fs::write(pipelines.folder.path().join("stores.yaml"), pipelines.stores()).unwrap();
        pipelines
    }

    pub fn kafka(&self) -> &str {
        self.engines.kafka()
    }

    /// Returns the name of the keyspace and of the database.
    pub fn database(&self) -> &str {
        &self.name
    }

    fn next(&self) -> u32 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// Creates a topic.
    pub fn topic(&self, what: &str) -> String {
        self.topic_of(what, PARTITIONS)
    }

    /// Creates a topic with so many partitions.
    pub fn topic_of(&self, what: &str, partitions: i32) -> String {
        let name = format!("{}_{}_{what}", self.name, self.next());
        // Generated events have old times.
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
        let made = block_on(self.admin().create_topics(&[topic], &AdminOptions::new())).unwrap();
        made[0].as_ref().unwrap();
        self.topics.borrow_mut().push(name.clone());
        name
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.engines.kafka()).create().unwrap()
    }

    /// Fills a topic. One event in a hundred is invalid.
    pub fn generate(&self, topic: &str, events: u64, subjects: u64) {
        let options =
            GenerateOptions { seed: 11, subjects, invalid: 0.01, ..GenerateOptions::new(Kind::Account, events) };
        let connection = KafkaConnection {
            store: "bench".to_owned(),
            bootstrap_servers: vec![self.engines.kafka().to_owned()],
            tls: None,
            login: None,
        };
        let feeder = tokio::runtime::Runtime::new().unwrap().block_on(Feeder::connect(&connection, topic)).unwrap();
        let mut target = lethe_generate::Topic::new(feeder, false);
        pour(&mut Generator::new(options).unwrap(), &mut target, None, |_| ()).unwrap();
    }

    /// Returns the command of the worker in a session of its own. A kernel that divides the cores
    /// by session (`sched_autogroup_enabled`) then gives it a share like each server, as for a
    /// container.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.arg(worker_program()).args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Returns the command of a worker of a new pipeline.
    pub fn worker(&self, topic: &str, sinks: Sinks) -> Command {
        let number = self.next();
        let name = format!("bench{number}");
        let dead = self.topic("dead");
        let out = sinks.topic.then(|| self.topic("out"));
        let manifest = self.pipeline(&name, topic, out.as_deref(), &dead, sinks);
        let file = format!("{name}.yaml");
        fs::write(self.folder.path().join(&file), manifest).unwrap();
        self.command(&["run", "--quiet", "-f", &file, "-f", "stores.yaml", "-f", "keys.yaml"])
    }

    /// Runs a new pipeline to the end of a topic.
    pub fn run(&self, topic: &str, sinks: Sinks) -> Cost {
        measure(self.worker(topic, sinks).args(["--until-end", "--output", "json"]))
    }

    fn stores(&self) -> String {
        let (kafka, cassandra, mongodb) = (self.engines.kafka(), self.engines.cassandra(), self.engines.mongodb());
        format!(
            "{{apiVersion: lethe.dev/v1alpha1, kind: DataStore, metadata: {{name: events}}, spec: {{kafka: \
             {{bootstrapServers: [\"{kafka}\"]}}}}}}\n---\n{{apiVersion: lethe.dev/v1alpha1, kind: DataStore, metadata: \
             {{name: rows}}, spec: {{cassandra: {{contactPoints: [\"{cassandra}\"], localDatacenter: datacenter1}}}}}}\n---\n\
             {{apiVersion: lethe.dev/v1alpha1, kind: DataStore, metadata: {{name: documents}}, spec: {{mongodb: {{hosts: \
             [\"{mongodb}\"]}}}}}}\n"
        )
    }

    fn pipeline(&self, name: &str, topic: &str, out: Option<&str>, dead: &str, sinks: Sinks) -> String {
        let database = &self.name;
        let (records, clustering) =
            if sinks.append { ("Append", ", clusteringKey: [event_time, event_id]") } else { ("Latest", "") };
        let mut places = String::new();
        if let Some(out) = out {
            places += &format!(
                "\n    - {{name: out, audience: Operational, records: Append, kafka: {{storeRef: {{name: events}}, topic: {out}}}}}"
            );
        }
        if sinks.cassandra {
            places += &format!(
                "\n    - {{name: rows, audience: Operational, records: {records}, maxAge: 1095d, cassandra: {{storeRef: \
                 {{name: rows}}, keyspace: {database}, table: {name}, manage: Create, {TABLE}{clustering}}}}}"
            );
        }
        if sinks.mongodb {
            places += &format!(
                "\n    - {{name: documents, audience: Operational, records: {records}, maxAge: 1095d, mongodb: {{storeRef: \
                 {{name: documents}}, database: {database}, collection: {name}, manage: Create}}}}"
            );
        }
        format!(
            r#"apiVersion: lethe.dev/v1alpha1
kind: ProfilePipeline
metadata: {{name: {name}}}
spec:
  source: {{kafka: {{storeRef: {{name: events}}, topic: {topic}}}}}
  event:
    id: /event_id
    time: /timestamp
    subject: {{space: customers, id: /user_id}}
    schema:
      inline: |
        {{"type": "object", "required": ["event_id", "timestamp", "user_id", "email"],
          "properties": {{
            "event_id": {{"type": "string", "minLength": 1, "maxLength": 64}},
            "timestamp": {{"type": "string", "maxLength": 40}},
            "user_id": {{"type": "string", "minLength": 1, "maxLength": 64}},
            "name": {{"type": "string", "maxLength": 200}},
            "email": {{"type": "string", "maxLength": 254}},
            "phone": {{"type": ["string", "null"], "maxLength": 32}},
            "address": {{"type": "object", "properties": {{"postcode": {{"type": "string", "maxLength": 16}}}}}},
            "birth_date": {{"type": "string", "maxLength": 10}},
            "national_id": {{"type": "string", "maxLength": 32}},
            "tier": {{"enum": ["bronze", "silver", "gold", "platinum"]}},
            "lifetime_value": {{"type": "number", "minimum": 0}},
            "note": {{"type": "string", "maxLength": 2000}}}}}}
  dedupe: {{window: 24h, maxIds: 1000000}}
  keys: {{secretRef: {{name: lethe-keys}}, storeRef: {{name: documents}}, database: {database}_keys}}
  fields:
    - {{path: /email, category: user.contact.email, clean: [Trim, Lowercase], protect: {{encrypt: {{}}}}}}
    - {{path: /national_id, category: user.government_id, protect: {{encrypt: {{class: identity}}}}}}
    - {{path: /phone, category: user.contact.phone_number, protect: {{mask: {{keepLast: 2}}}}}}
    - {{path: /address/postcode, category: user.contact.address.postal_code, protect: {{generalize: {{prefix: 3}}}}}}
    - {{path: /note, category: user.content, protect: {{redactDetected: {{}}}}}}
    - {{path: /tier, category: user.account, protect: {{keep: {{}}}}}}
    - {{path: /plan, category: user.account, protect: {{keep: {{}}}}}}
  sinks:{places}
  deadLetter: {{keepFor: 7d, kafka: {{storeRef: {{name: events}}, topic: {dead}}}}}
"#
        )
    }

    /// Removes everything that it created in the engines.
    pub fn end(self) {
        let admin = self.admin();
        let topics = self.topics.into_inner();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        block_on(admin.delete_topics(&names, &AdminOptions::new())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let session = SessionBuilder::new().known_node(self.engines.cassandra()).build().await.unwrap();
            session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {}", self.name), ()).await.unwrap();
            let uri = format!("mongodb://{}", self.engines.mongodb());
            let client = mongodb::Client::with_uri_str(uri).await.unwrap();
            for database in [self.name.clone(), format!("{}_keys", self.name)] {
                client.database(&database).drop().await.unwrap();
            }
        });
    }
}
