//! Each event of a file has exactly one outcome per sink, from a closed list. A sink holds what the
//! outcomes say, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use lethe_core::{keys::KeyRing, outcome::Outcome};
use lethe_crds::profile_pipeline::Audience;
use lethe_generate::Summary;
use lethe_stores::{DeadLetters, LetterKey, embedded::EmbeddedStore};
use lethe_worker::run::open_letter;
use serde_json::Value;

use crate::dump;
use lethe_tests::{
    folder::{Folder, generate, mixed_events},
    model::{Event, Kept, Line, Model, Verdict, append, latest},
    process::Counts,
};

const EVENTS: u64 = 200_000;
const DAY: i64 = 86_400_000;
const ERASED: &[&str] = &["gone-1", "gone-2"];

/// The result of a run, which each check reads.
struct Scene {
    folder: Folder,
    ring: KeyRing,
    file: Vec<u8>,
    summary: Summary,
    lines: Vec<Line>,
    counts: Counts,
}

#[test]
fn every_event_of_a_file_is_accounted_for_per_sink() {
    let scene = Scene::play();
    scene.check_verdicts();
    scene.check_counts();
    scene.check_profiles();
    scene.check_history();
    scene.check_file();
    scene.check_dead_letters();
    println!("accounting: {} events; {}", scene.counts.events(), scene.counts.seen("profiles"));
}

impl Scene {
    fn play() -> Self {
        let folder = Folder::of_example("laptop");
        // A run of an empty file creates the tables. Then two subjects are erased, which have no
        // data.
        folder.write("profiles.ndjson", "");
        assert_eq!(folder.counts(&[]).events(), 0);
        let ring = folder.ring();
        erase(&folder, &ring);

        let (mut file, summary) = generate(mixed_events(EVENTS, 7));
        for line in rare_lines() {
            file.extend_from_slice(line.as_bytes());
            file.push(b'\n');
        }
        folder.write("profiles.ndjson", &file);
        let manifest = fs::read_to_string(folder.file("pipeline.yaml")).unwrap();
        let lines = Model::new(&manifest, ERASED).lines(&file);
        let counts = folder.counts(&[]);
        Self { folder, ring, file, summary, lines, counts }
    }

    fn accepted(&self) -> impl Iterator<Item = &Event> {
        self.lines.iter().filter_map(|line| match &line.verdict {
            Verdict::Accepted(event) => Some(event),
            _ => None,
        })
    }

    /// Returns the events that a sink with this `maxAge` accepts, whose times are rounded down to a
    /// multiple of `precision` milliseconds.
    fn younger_than(&self, days: i64, precision: i64) -> impl Iterator<Item = &Event> {
        let oldest = jiff::Timestamp::now().as_millisecond() - days * DAY;
        self.accepted().filter(move |event| event.time - event.time.rem_euclid(precision) > oldest)
    }

    fn number(&self, is: impl Fn(&Verdict) -> bool) -> u64 {
        self.lines.iter().filter(|line| is(&line.verdict)).count() as u64
    }

    fn reference(&self, audience: Audience, subject: &str) -> String {
        self.ring.reference(audience, &self.ring.token("customers", subject)).unwrap().to_string()
    }

    /// Returns an event's id for an audience.
    fn id(&self, audience: Audience, event: &Event) -> String {
        let mut id = Vec::new();
        self.ring.event_id_for(audience, &event.id, &mut id).unwrap();
        String::from_utf8(id).unwrap()
    }

    /// Compares the model with the counts of the generator.
    fn check_verdicts(&self) {
        let rejected = |reasons: &[&str]| {
            self.number(|verdict| matches!(verdict, Verdict::Rejected { reason, .. } if reasons.contains(reason)))
        };
        let Summary { lines, events, duplicates, invalid, not_json, no_consent, late, deletes, .. } = self.summary;
        assert_eq!(lines + rare_lines().len() as u64, self.lines.len() as u64);
        assert_eq!(rejected(&["NotJson", "InvalidUtf8"]), not_json);
        assert_eq!(rejected(&["SchemaViolation", "NotAnObject"]), invalid);
        assert_eq!(self.number(|verdict| *verdict == Verdict::Denied), no_consent + 2);
        assert_eq!(self.number(|verdict| *verdict == Verdict::Duplicate), duplicates);
        assert_eq!(self.number(|verdict| *verdict == Verdict::Fenced), 3);
        assert_eq!(self.accepted().count() as u64, events + late + deletes + 5);
        for count in [events, duplicates, invalid, not_json, no_consent, late, deletes] {
            assert!(count > EVENTS / 100, "{:?}", self.summary);
        }
    }

    fn check_counts(&self) {
        let counts = &self.counts;
        let all = self.lines.len() as u64;
        assert_eq!(counts.events(), all);
        assert_eq!(counts.sinks(), ["clean", "history", "profiles"]);
        let names: BTreeSet<String> = Outcome::ALL.iter().map(|outcome| outcome.name().to_owned()).collect();
        for sink in counts.sinks() {
            let outcomes = counts.outcomes(&sink);
            assert_eq!(outcomes.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), names);
            assert_eq!(outcomes.iter().map(|(_, count)| count).sum::<u64>(), all, "{sink}");
            let rejected = self.number(|verdict| matches!(verdict, Verdict::Rejected { .. }));
            assert_eq!(counts.of(&sink, "rejected"), rejected, "{sink}");
            assert_eq!(counts.of(&sink, "denied"), self.number(|verdict| *verdict == Verdict::Denied), "{sink}");
            assert_eq!(counts.of(&sink, "fenced"), self.number(|verdict| *verdict == Verdict::Fenced), "{sink}");
            assert_eq!(counts.of(&sink, "duplicate"), self.number(|verdict| *verdict == Verdict::Duplicate), "{sink}");
        }
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for line in &self.lines {
            if let Verdict::Rejected { reason, .. } = line.verdict {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        assert_eq!(counts.reasons(), reasons.join(", "));
    }

    fn check_profiles(&self) {
        let events: Vec<&Event> = self.younger_than(1095, 1).collect();
        let counts = |outcome| self.counts.of("profiles", outcome);
        let expired = self.accepted().count() - events.len();
        assert_eq!(counts("expired"), expired as u64);

        // An older event is superseded within a batch, and stale in a later one.
        let mut newest: BTreeMap<&str, (i64, &str)> = BTreeMap::new();
        let mut rises = 0;
        for event in &events {
            let order = (event.version(), event.id.as_str());
            let known = newest.entry(&event.subject).or_insert((i64::MIN, ""));
            if order > *known {
                *known = order;
                rises += 1;
            }
        }
        let rows = latest(events.iter().copied(), |event| event.id.clone());
        let written = counts("delivered") + counts("deleted");
        assert!((rows.len() as u64..=rises).contains(&written), "{written} written");
        assert_eq!(written + counts("superseded") + counts("stale"), events.len() as u64);
        assert!(counts("superseded") > 0 && counts("stale") > 0);

        let connection = dump::open(&self.folder.database());
        let mut found = 0;
        let wanted: BTreeMap<String, &Event> =
            rows.iter().map(|(subject, event)| (self.reference(Audience::Operational, subject), *event)).collect();
        let sql = "SELECT subject_ref, event_id, version, deleted_at IS NOT NULL, document FROM profiles";
        let mut statement = connection.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let subject: String = row.get(0).unwrap();
            let event = wanted.get(&subject).unwrap_or_else(|| panic!("no such subject: {subject}"));
            assert_eq!(row.get::<_, String>(1).unwrap(), event.id);
            assert_eq!(row.get::<_, i64>(2).unwrap(), event.version());
            assert_eq!(row.get::<_, bool>(3).unwrap(), event.deletes());
            check_document(row.get::<_, Option<String>>(4).unwrap().as_deref(), event);
            found += 1;
        }
        assert_eq!(found, wanted.len());
    }

    fn check_history(&self) {
        let events: Vec<&Event> = self.younger_than(730, 3_600_000).collect();
        let expected = append(events.iter().copied(), |event| self.id(Audience::Analytics, event));
        let counts = |outcome| self.counts.of("history", outcome);
        assert_eq!(counts("expired"), (self.accepted().count() - events.len()) as u64);
        assert_eq!(counts("delivered"), expected.delivered);
        assert_eq!(counts("deleted"), expected.deleted);
        assert_eq!(counts("stale"), expected.stale);
        assert_eq!(counts("superseded"), 0);
        assert!(expected.stale > 0);

        let connection = dump::open(&self.folder.database());
        let wanted: BTreeMap<(String, String), &Event> = expected
            .rows
            .iter()
            .map(|((subject, id), event)| ((self.reference(Audience::Analytics, subject), id.clone()), *event))
            .collect();
        let mut found = 0;
        let mut statement =
            connection.prepare("SELECT subject_ref, event_id, version, document FROM profile_history").unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let key: (String, String) = (row.get(0).unwrap(), row.get(1).unwrap());
            let event = wanted.get(&key).unwrap_or_else(|| panic!("an event that was not delivered: {key:?}"));
            assert_eq!(row.get::<_, i64>(2).unwrap(), event.version());
            check_document(Some(&row.get::<_, String>(3).unwrap()), event);
            found += 1;
        }
        assert_eq!(found, wanted.len());
    }

    fn check_file(&self) {
        let text = String::from_utf8(self.folder.read("clean.ndjson")).unwrap();
        let mut lines = text.lines();
        for event in self.accepted() {
            let line: Value = serde_json::from_str(lines.next().expect("an event is missing")).unwrap();
            assert_eq!(line["subject_ref"], self.reference(Audience::Analytics, &event.subject));
            assert_eq!(line["event_id"], self.id(Audience::Analytics, event));
            assert_eq!(line.get("deleted").is_some(), event.deletes());
            if let Some(kept) = &event.kept {
                assert_eq!(kept_of(&line), *kept);
            }
        }
        assert_eq!(lines.next(), None, "a line too many");
        let deleted = self.accepted().filter(|event| event.deletes()).count() as u64;
        assert_eq!(self.counts.of("clean", "deleted"), deleted);
        assert_eq!(self.counts.of("clean", "delivered"), self.accepted().count() as u64 - deleted);
    }

    fn check_dead_letters(&self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let store = EmbeddedStore::open("store", &self.folder.database()).unwrap();
        let mut wanted: BTreeMap<u64, (&Line, &str, bool)> = BTreeMap::new();
        for line in &self.lines {
            if let Verdict::Rejected { reason, of_subject } = line.verdict {
                wanted.insert(line.offset, (line, reason, of_subject));
            }
        }
        let mut after = None;
        loop {
            let page = runtime.block_on(store.list("default.profiles".to_owned(), after, 1000)).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.key);
            for letter in page {
                let offset = letter.position.offset;
                let (line, reason, of_subject) =
                    wanted.remove(&offset).unwrap_or_else(|| panic!("a letter of a good line, at byte {offset}"));
                assert_eq!(letter.reason, reason);
                assert_eq!(matches!(letter.sealed_by, LetterKey::Subject(_)), of_subject, "at byte {offset}");
                assert_eq!(letter.sinks, ["profiles", "history", "clean"]);
                let opened = runtime.block_on(open_letter(&letter, &self.ring, "customers", &*store)).unwrap();
                assert!(opened.is_some_and(|record| record.value.as_deref() == Some(&self.file[line.bytes.clone()])));
            }
        }
        assert_eq!(wanted.len(), 0, "rejected lines have no letter");
    }
}

fn kept_of(document: &Value) -> Kept {
    let text = |pointer| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Kept { tier: text("/tier"), plan: text("/plan"), country: text("/address/country") }
}

#[track_caller]
fn check_document(document: Option<&str>, event: &Event) {
    let kept = document.map(|document| kept_of(&serde_json::from_str(document).unwrap()));
    assert_eq!(kept, event.kept);
}

/// Destroys every key that a subject of the pipeline can have.
fn erase(folder: &Folder, ring: &KeyRing) {
    let connection = dump::open(&folder.database());
    for subject in ERASED {
        for class in ["profile", "identity", "dead-letter"] {
            let sql = "INSERT INTO lethe_keys (space, token, class, state) VALUES ('customers', ?1, ?2, 'shredded')";
            connection.execute(sql, (ring.token("customers", subject).0, class)).unwrap();
        }
    }
}

/// Returns events of sorts that the generator doesn't make: of erased subjects (three fenced, one
/// denied before that), one that breaks a rule and has no consent, and old ones (three of 800 days, one of them sent again outside the dedupe
/// window; two of 1,200 days).
fn rare_lines() -> Vec<String> {
    let now = jiff::Timestamp::now().as_millisecond();
    let event = |id: &str, days: i64, subject: &str, rest: &str| {
        let time = jiff::Timestamp::from_millisecond((now / DAY - days) * DAY).unwrap();
        format!(r#"{{"event_id":"{id}","timestamp":"{time}","user_id":"{subject}",{rest}}}"#)
    };
    let agreed = r#""tier":"gold","consent":{"marketing":true}"#;
    vec![
        event("r-1", 1, "gone-1", agreed),
        event("r-2", 1, "gone-1", r#""consent":{"marketing":false}"#),
        event("r-3", 1, "gone-1", r#""tier":"unheard of","consent":{"marketing":true}"#),
        event("r-4", 1, "gone-2", r#""deleted":true"#),
        event("r-5", 800, "old-1", agreed),
        event("r-5", 800, "old-1", agreed),
        event("r-6", 800, "old-2", r#""deleted":true"#),
        event("r-7", 1200, "old-3", agreed),
        event("r-8", 1200, "old-3", r#""deleted":true"#),
        event("r-9", 1, "no-1", r#""tier":"unheard of","consent":{"marketing":false}"#),
    ]
}
