//! The pipelines that are measured, in a folder of their own, with names of their own in every store. Keys lie in MongoDB:
//! the threads of a Cassandra that is asked now and then wake thousands of times a second, and take the core from the worker.

use std::{
    cell::{Cell, RefCell},
    fs,
    process::{Command, Stdio},
};

use futures::executor::block_on;
use lethe_tests::engines::Engines;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use scylla::client::session_builder::SessionBuilder;
use tempfile::TempDir;

use crate::measured::{Cost, PROGRAM, measure};

/// Partitions of a topic, where nothing else is said.
pub const PARTITIONS: i32 = 6;

/// A column for each field, and those that every table has.
const TABLE: &str = "partitionKey: [subject_ref], columns: [{name: subject_ref, type: text, meta: SubjectRef}, \
    {name: event_id, type: text, meta: EventId}, {name: event_time, type: timestamp, meta: EventTime}, \
    {name: version, type: bigint, meta: Version}, {name: email, type: text, path: /email}, \
    {name: national_id, type: text, path: /national_id}, {name: phone, type: text, path: /phone}, \
    {name: postcode, type: text, path: /address/postcode}, {name: note, type: text, path: /note}, \
    {name: tier, type: text, path: /tier}, {name: plan, type: text, path: /plan}]";

/// Where events go.
#[derive(Clone, Copy)]
pub struct Sinks {
    pub topic: bool,
    pub cassandra: bool,
    pub mongodb: bool,
    /// All events instead of the latest of each subject; a topic always has all.
    pub append: bool,
}

pub struct Bench<'e> {
    engines: &'e Engines,
    folder: TempDir,
    name: String,
    number: Cell<u32>,
    topics: RefCell<Vec<String>>,
}

impl<'e> Bench<'e> {
    pub fn new(engines: &'e Engines) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("lethe_bench_{}", std::process::id());
        let bench = Self { engines, folder, name, number: Cell::new(0), topics: Vec::new().into() };
        let mut create = bench.command(&["keys", "create", "lethe-keys", "--to", "keys.yaml"]);
        assert!(create.stdout(Stdio::null()).status().unwrap().success());
        fs::write(bench.folder.path().join("stores.yaml"), bench.stores()).unwrap();
        bench
    }

    pub fn kafka(&self) -> &str {
        self.engines.kafka()
    }

    /// Name of the keyspace and of the database.
    pub fn database(&self) -> &str {
        &self.name
    }

    fn next(&self) -> u32 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// Makes a topic.
    pub fn topic(&self, what: &str) -> String {
        self.topic_of(what, PARTITIONS)
    }

    /// Makes a topic of so many partitions.
    pub fn topic_of(&self, what: &str, partitions: i32) -> String {
        let name = format!("{}_{}_{what}", self.name, self.next());
        // Made-up events have times long past.
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "-1");
        let made = block_on(self.admin().create_topics(&[topic], &AdminOptions::new())).unwrap();
        made[0].as_ref().unwrap();
        self.topics.borrow_mut().push(name.clone());
        name
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.engines.kafka()).create().unwrap()
    }

    /// Fills a topic: one event in a hundred is invalid.
    pub fn generate(&self, topic: &str, events: u64, subjects: u64) {
        let (events, subjects) = (events.to_string(), subjects.to_string());
        let arguments =
            ["generate", "account", "--seed", "11", "--count", &events, "--subjects", &subjects, "--invalid"];
        let to = ["0.01", "--to", "kafka", "--bootstrap", self.engines.kafka(), "--topic", topic];
        let status = self.command(&[&arguments[..], &to].concat()).stderr(Stdio::null()).status();
        assert!(status.unwrap().success());
    }

    /// The program in a session of its own: where the kernel shares the cores out by session (`sched_autogroup_enabled`), it
    /// has a share of its own then, as each server has, and as a container would.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.arg(PROGRAM).args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// A worker of a pipeline that nobody has run before.
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

    /// Runs a pipeline that nobody has run before to the end of a topic.
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

    /// Removes what it made in the engines.
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
