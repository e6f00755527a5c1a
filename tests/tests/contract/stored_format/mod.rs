//! A store that the version before wrote is read and continued by this one. `tests/fixtures/stored`
//! has such stores, and its README describes them; `make.rs` makes them again.

mod cassandra;
mod embedded;
mod entry;
mod make;
mod mongodb;
mod topic;

use std::{fs, path::PathBuf, sync::Arc};

use lethe_stores::{DeadLetters, LetterKey, Vault};
use lethe_tests::process::{Counts, finish, worker};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    RUNTIME,
    fixture::{number, run_name},
};
use entry::{Entry, is_kept};

/// A kind of store that is kept.
trait StoredStore: Sized {
    /// Its folder in `tests/fixtures/stored`.
    const FOLDER: &'static str;
    /// Place and name of the tables of its two sinks, as entries name them.
    const SINKS: [&'static str; 2];

    /// Connects to the servers that the manifests in `stored` name.
    async fn connect(stored: &Stored) -> Self;

    /// Puts what is kept into the folder and the servers.
    async fn restore(&self, stored: &Stored);

    /// Returns everything that the stores hold.
    async fn dump(&self, stored: &Stored) -> Vec<Entry>;

    /// Writes what the folder and the servers hold to the fixture.
    async fn keep(&self, stored: &Stored);

    /// Opens the key store.
    async fn vault(&self, stored: &Stored) -> Arc<dyn Vault>;

    /// Opens the dead letters.
    async fn letters(&self, stored: &Stored) -> Arc<dyn DeadLetters>;

    /// Destroys the keys of a subject and registers a place that a token finds: no command of this
    /// version or of the one before does either.
    async fn shred_and_register(&self, stored: &Stored, token: [u8; 32]);

    /// Removes everything from the servers.
    async fn end(&self, stored: &Stored);
}

/// A folder with the manifests of a stored pipeline, under names that no other run uses.
struct Stored {
    folder: TempDir,
    kind: &'static str,
    name: String,
}

/// The name in the fixture that is replaced by the name of this run.
const NAME: &str = "lethe_stored";
/// The servers that the manifests name.
const SERVERS: [&str; 3] = ["127.0.0.1:19092", "127.0.0.1:19042", "127.0.0.1:29017"];
/// Lines of the source that the version before has read.
const READ: usize = 22;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/stored")
}

impl Stored {
    fn new(kind: &'static str) -> Self {
        let stored = Self { folder: tempfile::tempdir().unwrap(), kind, name: format!("{}_{}", run_name(), number()) };
        stored.write("pipeline.yaml", &stored.renamed(&stored.kept("pipeline.yaml")));
        stored
    }

    /// A kept file.
    fn kept_path(&self, name: &str) -> PathBuf {
        fixtures().join(self.kind).join(name)
    }

    fn kept(&self, name: &str) -> String {
        let path = self.kept_path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A kept text with the names and servers of this run.
    fn renamed(&self, text: &str) -> String {
        let engines = lethe_tests::engines::engines();
        let servers = [engines.kafka(), engines.cassandra(), engines.mongodb()];
        let text = text.replace(NAME, &self.name);
        SERVERS.iter().zip(servers).fold(text, |text, (kept, server)| text.replace(kept, server))
    }

    /// A text of this run with the names that are kept.
    fn as_kept(&self, text: &str) -> String {
        text.replace(&self.name, NAME)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Shows the pipeline the first `lines` of its source; `None`: all of it.
    fn show(&self, lines: Option<usize>) {
        let all = fs::read_to_string(fixtures().join("events.ndjson")).unwrap();
        let shown: Vec<&str> = all.lines().take(lines.unwrap_or(usize::MAX)).collect();
        self.write("events.ndjson", &(shown.join("\n") + "\n"));
    }

    /// Replaces a text of the manifest.
    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("pipeline.yaml")).unwrap();
        assert!(text.contains(from), "{from:?}");
        self.write("pipeline.yaml", &text.replace(from, to));
    }

    /// Allows the one event that the version before redrove.
    fn allow_diamonds(&self) {
        self.edit(r#""gold"]"#, r#""gold", "diamond"]"#);
    }

    /// Runs this version's program; returns what it answers.
    fn run(&self, arguments: &[&str]) -> Value {
        let ended = finish(worker(self.folder.path(), arguments).args(["-f", ".", "--output", "json"])).success();
        serde_json::from_slice(&ended.out).unwrap()
    }

    fn counts(&self, more: &[&str]) -> Counts {
        let mut run = worker(self.folder.path(), &["run", "-f", ".", "--until-end", "--quiet", "--output", "json"]);
        finish(run.args(more)).counts()
    }

    /// Returns what `reveal` shows of some subjects, without its remarks about other places.
    fn revealed(&self, run: impl Fn(&[&str]) -> Value) -> Value {
        let mut revealed = json!({});
        for (name, arguments) in REVEALED {
            let arguments = [&["reveal", "--ground", "a test"], arguments].concat();
            let mut shown = run(&arguments);
            shown.as_object_mut().unwrap().remove("notSearched").unwrap();
            for sink in shown["sinks"].as_array_mut().unwrap() {
                for record in sink["records"].as_array_mut().unwrap() {
                    for closed in record["closed"].as_array_mut().unwrap() {
                        closed.as_object_mut().unwrap().remove("why").unwrap();
                    }
                }
            }
            revealed[name] = serde_json::from_str(&self.as_kept(&shown.to_string())).unwrap();
        }
        revealed
    }
}

/// A subject with older and newer events, one that was deleted, one by its alias, and one whose
/// keys were destroyed.
const REVEALED: [(&str, &[&str]); 4] = [
    ("u-1", &["u-1"]),
    ("u-3", &["u-3"]),
    ("p5@example.org", &["--alias", "email", "p5@example.org"]),
    ("u-8", &["u-8"]),
];

/// What is kept of a dead letter in `expected.json`.
async fn letters_of(letters: &dyn DeadLetters) -> Value {
    let found = letters.list("default.people".to_owned(), None, 100).await.unwrap();
    let mut found: Vec<Value> = found
        .into_iter()
        .map(|letter| {
            let sealed_by = match letter.sealed_by {
                LetterKey::Subject(_) => "subject".to_owned(),
                LetterKey::Day(day) => day,
            };
            json!({
                "position": [&*letter.position.stream, letter.position.offset], "reason": letter.reason,
                "rule": letter.rule, "path": letter.path, "sinks": letter.sinks, "sealedBy": sealed_by,
            })
        })
        .collect();
    found.sort_by_key(|letter| letter["position"][1].as_u64());
    Value::Array(found)
}

async fn places_of(vault: &dyn Vault, stored: &Stored) -> Value {
    let places =
        vault.places().await.unwrap().into_iter().map(|place| {
            json!([place.store.as_str(), stored.as_kept(&place.object), place.space, place.form.to_string()])
        });
    Value::Array(places.collect())
}

/// The law.
fn is_read_and_continued<S: StoredStore>() {
    make::make_again::<S>();
    RUNTIME.block_on(async {
        let stored = Stored::new(S::FOLDER);
        let store = S::connect(&stored).await;
        store.restore(&stored).await;
        stored.allow_diamonds();
        stored.write("keys.yaml", &stored.kept("keys.yaml"));
        stored.show(Some(READ));
        let expected: Value = serde_json::from_str(&stored.kept("expected.json")).unwrap();

        // What was stored can be read, and keys and letters are known.
        assert_eq!(places_of(&*store.vault(&stored).await, &stored).await, expected["places"]);
        assert_eq!(letters_of(&*store.letters(&stored).await).await, expected["letters"]);
        assert_eq!(blocking(|| stored.revealed(|arguments| stored.run(arguments))), expected["revealed"]);
        let checked = blocking(|| finish(&mut worker(stored.folder.path(), &["keys", "check", "-f", "."])).success());
        assert!(checked.out().contains("master-1") && checked.out().contains("retired"), "{}", checked.out());
        let dry = blocking(|| stored.run(&["redrive", "--dry-run", "--quiet"]));
        assert_eq!((&dry["counts"]["letters"], &dry["counts"]["redriven"]), (&json!(4), &json!(1)), "{dry}");

        // A run goes on where the version before ended, and changes nothing that was there.
        let before = store.dump(&stored).await;
        let nothing = blocking(|| stored.counts(&[]));
        assert_eq!(nothing.events(), 0);
        stored.show(None);
        let rest = blocking(|| stored.counts(&[]));
        assert_eq!(rest.events(), 8);
        let after = store.dump(&stored).await;
        is_kept(&before, &after);
        assert!(after.len() > before.len());
        assert_eq!(blocking(|| stored.revealed(|arguments| stored.run(arguments)))["u-3"], expected["revealed"]["u-3"]);

        // All of it again, from the start: no row of a sink changes, and none is added.
        let again = blocking(|| stored.counts(&["--from-start"]));
        assert_eq!(again.events(), 30);
        let replayed = store.dump(&stored).await;
        // A file of lines is the exception: it is written again, without the subject whose keys
        // were destroyed.
        let after: Vec<Entry> = after.into_iter().filter(|entry| entry.place != embedded::LINES).collect();
        is_kept(&after, &replayed);
        let in_sinks = |dump: &[Entry]| dump.iter().filter(|entry| S::SINKS.contains(&&*entry.place)).count();
        assert_eq!(in_sinks(&replayed), in_sinks(&after));

        // All letters are delivered once the manifest allows it: those of the version before, those
        // of the same records when they were read again, and one of this version alone. One letter
        // is of an event without consent; it is removed.
        stored.edit(r#""maxLength": 12"#, r#""maxLength": 200"#);
        let redriven = blocking(|| stored.run(&["redrive", "--quiet"]));
        assert_eq!(redriven["counts"]["redriven"], json!(6), "{redriven}");
        let left = letters_of(&*store.letters(&stored).await).await;
        let reasons: Vec<&Value> = left.as_array().unwrap().iter().map(|letter| &letter["rule"]).collect();
        assert_eq!(reasons, [&Value::Null, &Value::Null], "what is not JSON, by both versions");
        let revealed = blocking(|| stored.run(&["reveal", "--ground", "a test", "u-5"]));
        assert!(revealed.to_string().contains("A name that is too long"), "{revealed}");
        store.end(&stored).await;
    });
}

/// Waits for programs on this thread.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

#[test]
fn an_sqlite_file_of_the_version_before_is_read_and_continued() {
    is_read_and_continued::<embedded::Stored>();
}

#[test]
fn a_cassandra_keyspace_of_the_version_before_is_read_and_continued() {
    is_read_and_continued::<cassandra::Stored>();
}

#[test]
fn a_mongodb_database_of_the_version_before_is_read_and_continued() {
    is_read_and_continued::<mongodb::Stored>();
}
