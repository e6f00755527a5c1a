//! A pipeline in a temporary directory: manifests, keys, a source, and the results of runs.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use futures::future::BoxFuture;
use lethe_core::{
    keys::KeyRing,
    outcome::Outcome,
    reason::{Reason, Rejection},
    record::{IncomingBatch, OutgoingBatch},
};
use lethe_crds::load::{Resources, read_paths};
use lethe_stores::{Answer, ErrorKind, FilePosition, Restore, Sink, Source, StoreError};
use lethe_worker::{
    open::{OpenOptions, Opened, open, pipeline_info},
    redrive::{RedriveOptions, Redriven, redrive},
    run::{EventSource, FileRange, OpenSource, Report, RunError, RunHandle, run},
};
use rusqlite::{Connection, types::ValueRef};
use tempfile::TempDir;

const PIPELINE: &str = r#"
apiVersion: lethe.dev/v1alpha1
kind: ProfilePipeline
metadata: {name: profiles}
spec:
  processing: {controller: Example SA, purposes: [service], legalBasis: Consent, dataSubjects: [customers]}
  source: {file: {path: DIR/events.ndjson, format: Ndjson}}
  event:
    id: /event_id
    time: /timestamp
    subject:
      space: customers
      id: /user_id
      aliases: [{name: email, path: /email, canonical: Email}]
    delete: {when: {path: /deleted, equals: "true"}}
    schema:
      inline: |
        {"type": "object", "required": ["event_id", "timestamp", "user_id"],
         "properties": {"user_id": {"type": "string"}, "plan": {"type": "string", "maxLength": MAXPLAN}}}
  dedupe: {window: 9999d, maxIds: 1000000}
  consent: {purpose: marketing, from: {field: /consent}}
  keys: {secretRef: {name: lethe-keys}, storeRef: {name: store}}
  fields:
    - {path: /user_id, category: user.unique_id, protect: {pseudonymize: {space: customers}}}
    - {path: /name, category: user.name, protect: {encrypt: {}}}
    - {path: /email, category: user.contact.email, clean: [Email], protect: {encrypt: {class: contact}}}
    - {path: /tags/*, category: user.content, protect: {encrypt: {}}}
    - {path: /plan, category: user.account, protect: {keep: {}}}
  sinks:
    - {name: profiles, audience: Operational, records: Latest, embedded: {storeRef: {name: store}, table: profiles}}
    - name: history
      audience: Analytics
      records: Append
      fields: [/user_id, /plan]
      embedded: {storeRef: {name: store}, table: history}
    - name: clean
      audience: Analytics
      records: Append
      fields: [/user_id, /plan]
      file: {path: DIR/clean.ndjson}
  deadLetter: {keepFor: 7d, embedded: {storeRef: {name: store}}}
"#;

const STORE: &str = "
apiVersion: lethe.dev/v1alpha1
kind: DataStore
metadata: {name: store}
spec: {embedded: {path: DIR/lethe.sqlite}}
";

/// The sinks of the pipeline.
pub const SINKS: [&str; 3] = ["profiles", "history", "clean"];

/// A pipeline in a temporary directory.
pub struct PipelineFixture {
    dir: TempDir,
}

impl PipelineFixture {
    /// Creates manifests and keys without events. The schema allows plans of 6 letters.
    pub fn new() -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        fixture.write("store.yaml", &STORE.replace("DIR", &fixture.shown()));
        fixture.allow_plans_of(6);
        fixture.put_keys(&ring(1));
        fixture.write("events.ndjson", "");
        fixture
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn shown(&self) -> String {
        self.dir.path().to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Changes the schema to allow plans of so many letters.
    pub fn allow_plans_of(&self, letters: usize) {
        let text = PIPELINE.replace("DIR", &self.shown()).replace("MAXPLAN", &letters.to_string());
        self.write("pipeline.yaml", &text);
    }

    pub fn put_keys(&self, ring: &KeyRing) {
        let data = ring.to_secret_data();
        self.put_secret(data.iter().map(|(name, key)| (name.as_str(), std::str::from_utf8(key).unwrap())));
    }

    pub fn put_secret<'k>(&self, keys: impl IntoIterator<Item = (&'k str, &'k str)>) {
        let mut text = "apiVersion: v1\nkind: Secret\nmetadata: {name: lethe-keys}\ntype: lethe.dev/keys\n\
                        stringData:\n"
            .to_owned();
        for (name, key) in keys {
            writeln!(text, "  {name}: \"{key}\"").unwrap();
        }
        self.write("keys.yaml", &text);
    }

    /// Appends lines to the source.
    pub fn feed(&self, lines: &[String]) {
        let mut text = fs::read_to_string(self.path("events.ndjson")).unwrap();
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        self.write("events.ndjson", &text);
    }

    pub fn resources(&self) -> Resources {
        read_paths(&["pipeline.yaml", "store.yaml", "keys.yaml"].map(|name| self.path(name))).unwrap()
    }

    fn watch(&self) -> Arc<RunHandle> {
        RunHandle::new(pipeline_info(&self.resources(), None, &OpenOptions::default()).unwrap())
    }

    /// Runs the pipeline to the end of its source.
    pub async fn run(&self) -> Report {
        self.run_with(&OpenOptions::default()).await
    }

    pub async fn run_from_start(&self) -> Report {
        self.run_with(&OpenOptions { from_start: true, ..OpenOptions::default() }).await
    }

    async fn run_with(&self, options: &OpenOptions) -> Report {
        let Opened { job, source, .. } = open(&self.resources(), None, options).await.unwrap();
        run(job, source, false, self.watch()).await.unwrap()
    }

    /// Runs the pipeline with a sink that refuses the records at these offsets.
    pub async fn run_refusing(&self, sink: &str, offsets: &[u64]) -> Report {
        let Opened { mut job, source, .. } = open(&self.resources(), None, &OpenOptions::default()).await.unwrap();
        let at = SINKS.iter().position(|name| *name == sink).unwrap();
        let inner = job.sinks.remove(at);
        job.sinks.insert(at, Box::new(Refusing { inner, offsets: offsets.to_vec() }));
        run(job, source, false, self.watch()).await.unwrap()
    }

    /// Runs the pipeline with batches of `size` events and stops it after so many batches.
    pub async fn run_and_stop(&self, size: usize, batches: usize) -> Report {
        self.run_watched(size, batches, self.watch()).await
    }

    /// As [`PipelineFixture::run_and_stop`]. Returns the number of requests for subjects to the key
    /// store.
    pub async fn run_and_count_requests(&self, size: usize, batches: usize) -> u64 {
        let watch = self.watch();
        self.run_watched(size, batches, Arc::clone(&watch)).await;
        let metrics = watch.instruments.metrics.text();
        let count = metrics.lines().find(|line| line.starts_with("lethe_key_store_seconds_count")).unwrap();
        count.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    async fn run_watched(&self, size: usize, batches: usize, watch: Arc<RunHandle>) -> Report {
        let stop = Arc::clone(&watch);
        let then = move || {
            stop.stop();
            Ok(())
        };
        self.run_small(size, batches, watch, then).await.unwrap()
    }

    /// As [`PipelineFixture::run_and_stop`], but the source fails, so that nothing is drained.
    pub async fn run_and_fail(&self, size: usize, batches: usize) -> RunError {
        let fail = || Err(StoreError::new(ErrorKind::Internal, "file", "on purpose"));
        self.run_small(size, batches, self.watch(), fail).await.err().unwrap()
    }

    async fn run_small(
        &self,
        size: usize,
        batches: usize,
        watch: Arc<RunHandle>,
        then: impl FnMut() -> Result<(), StoreError> + Clone + Send + 'static,
    ) -> Result<Report, RunError> {
        let Opened { job, source, .. } = open(&self.resources(), None, &OpenOptions::default()).await.unwrap();
        let EventSource::Files(files) = source else { panic!("the source is a file") };
        let files = small_batches(files, size, batches, then);
        run(job, EventSource::Files(files), false, watch).await
    }

    pub async fn redrive(&self) -> Redriven {
        self.redrive_with(RedriveOptions::default()).await
    }

    pub async fn redrive_with(&self, options: RedriveOptions) -> Redriven {
        let how = OpenOptions { dry_run: options.dry_run, ..OpenOptions::default() };
        let Opened { job, .. } = open(&self.resources(), None, &how).await.unwrap();
        redrive(job, options, self.watch()).await.unwrap()
    }

    /// Runs the program with the manifests. `input` is its standard input.
    pub fn program(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lethe-worker"))
            .args(arguments)
            .arg("-f")
            .arg(self.path("pipeline.yaml"))
            .arg("-f")
            .arg(self.path("store.yaml"))
            .arg("-f")
            .arg(self.path("keys.yaml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that fails before it reads closes the pipe.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
        child.wait_with_output().unwrap()
    }

    pub fn sql(&self) -> Connection {
        Connection::open(self.path("lethe.sqlite")).unwrap()
    }

    /// Returns the number of rows of a table.
    pub fn count(&self, table: &str) -> i64 {
        self.sql().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    /// Returns every row of every table, and the output file.
    pub fn dump(&self) -> String {
        let mut out = dump(&self.path("lethe.sqlite"));
        out.push_str(&fs::read_to_string(self.path("clean.ndjson")).unwrap());
        out
    }

    /// Returns the lines of the file sink.
    pub fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.path("clean.ndjson")).unwrap().lines().map(ToOwned::to_owned).collect()
    }
}

/// Returns a ring with the keys `seed`, `seed + 1` and so on.
pub fn ring(mut seed: u8) -> KeyRing {
    let random = |buffer: &mut [u8]| {
        buffer.fill(seed);
        seed += 1;
    };
    KeyRing::generate(random).unwrap()
}

fn dump(file: &Path) -> String {
    let sql = Connection::open(file).unwrap();
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let tables: Vec<String> =
        sql.prepare(names).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut out = String::new();
    for table in tables {
        writeln!(out, "## {table}").unwrap();
        let mut statement = sql.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    ValueRef::Text(text) => write!(out, "{} | ", std::str::from_utf8(text).unwrap()),
                    other => write!(out, "{other:?} | "),
                }
                .unwrap();
            }
            out.push('\n');
        }
    }
    out
}

/// Returns an event of a person in the `n`th second of the year.
pub fn event(id: &str, who: &str, n: usize) -> String {
    let time = format!("2025-01-{:02}T{:02}:{:02}:{:02}Z", 1 + n / 86_400, n / 3600 % 24, n / 60 % 60, n % 60);
    format!(
        r#"{{"event_id":"{id}","timestamp":"{time}","user_id":"{who}","name":"Name of {who}","email":"{who}@example.com","tags":["a {who}","b {who}"],"plan":"free","consent":true}}"#
    )
}

/// As [`event`], with a plan of ten letters.
pub fn long_plan(id: &str, who: &str, n: usize) -> String {
    event(id, who, n).replace("\"free\"", "\"enterprise\"")
}

/// Returns the outcomes at a sink that are not zero.
pub fn outcomes(report: &Report, sink: &str) -> Vec<(Outcome, u64)> {
    let counts = &report.counts.sinks[sink];
    Outcome::ALL.into_iter().map(|outcome| (outcome, counts.get(outcome))).filter(|(_, events)| *events > 0).collect()
}

/// A sink that refuses some records.
struct Refusing {
    inner: Box<dyn Sink>,
    offsets: Vec<u64>,
}

impl Sink for Refusing {
    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>> {
        Box::pin(async move {
            let mut taken = batch.clone();
            taken.records.retain(|record| !self.offsets.contains(&record.offset));
            let mut answers = self.inner.write(&taken).await?.into_iter();
            let answer = |offset: &u64| {
                if self.offsets.contains(offset) {
                    Some(Err(Rejection::whole(Reason::SinkRefused)))
                } else {
                    answers.next()
                }
            };
            Ok(batch.records.iter().map(|record| &record.offset).filter_map(answer).collect())
        })
    }

    fn mark(&self) -> Option<FilePosition> {
        self.inner.mark()
    }

    fn restore(&mut self, from: Restore) -> Result<(), StoreError> {
        self.inner.restore(from)
    }
}

/// A source with small batches that does something after some of them.
struct SmallBatches<F> {
    inner: Box<dyn Source>,
    size: usize,
    left: usize,
    then: F,
}

impl<F: FnMut() -> Result<(), StoreError> + Send> Source for SmallBatches<F> {
    fn next_batch(&mut self, max: usize) -> Result<Option<IncomingBatch>, StoreError> {
        if self.left == 0 {
            (self.then)()?;
            return Ok(None);
        }
        self.left -= 1;
        let batch = self.inner.next_batch(max.min(self.size));
        if self.left == 0 {
            // A stop takes effect before the next batch, a failure with it.
            let _ = (self.then)();
        }
        batch
    }

    fn position(&self) -> Option<FilePosition> {
        self.inner.position()
    }

    fn take_replaced(&mut self) -> Vec<String> {
        self.inner.take_replaced()
    }

    fn bytes_read(&self) -> u64 {
        self.inner.bytes_read()
    }
}

/// Wraps a source: batches of `size` events, and `then` once so many were given. Reads of what is
/// known already are left alone.
pub fn small_batches<F>(mut open: OpenSource, size: usize, batches: usize, then: F) -> OpenSource
where
    F: FnMut() -> Result<(), StoreError> + Clone + Send + 'static,
{
    Box::new(move |range| {
        let inner = open(range)?;
        match range {
            FileRange::After { .. } => Ok(Box::new(SmallBatches { inner, size, left: batches, then: then.clone() })),
            FileRange::Before { .. } => Ok(inner),
        }
    })
}
