//! The expected contents of stores, which the model derives from the source topic alone, and their
//! comparison with the actual contents.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use lethe_core::keys::KeyRing;
use lethe_crds::{load::read_paths, profile_pipeline::Audience};
use lethe_stores::{DeadLetters, Letter, LetterKey, Vault, kafka::KafkaLetters};
use lethe_worker::{
    open::{PipelineAccess, open_to_read},
    run::open_letter,
};
use mongodb::bson::Document;
use serde_json::Value;

use crate::{
    pipeline_fixture::PipelineFixture,
    tables::{Row, SLACK},
    topics::Record,
};
use lethe_tests::model::{Event, Kept, Model, Verdict, append, latest};

const DAY: i64 = 86_400_000;
/// The precision of times for Analytics.
const HOUR: i64 = 3_600_000;

/// A record of the source and its outcome.
pub struct Judged {
    /// The record.
    pub record: Record,
    /// `topic|partition`.
    pub stream: Arc<str>,
    /// Its outcome.
    pub verdict: Verdict,
}

/// The records of the source and their outcomes.
pub struct Expected<'s> {
    fixture: &'s PipelineFixture,
    judged: Vec<Judged>,
    ring: KeyRing,
    vault: Arc<dyn Vault>,
    revision: i64,
}

/// Repetitions in topics, where they are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    /// Records of the output topic beyond one of each event.
    pub output: usize,
    /// Dead letters beyond one of each event.
    pub letters: usize,
}

impl<'s> Expected<'s> {
    /// Reads the source and derives the outcomes. The pipeline must have run: its keys are needed.
    pub fn of(fixture: &'s PipelineFixture) -> Self {
        let manifest = String::from_utf8(fixture.folder.read("pipeline.yaml")).unwrap();
        let source = fixture.source();
        // Duplicates are found within a partition.
        let mut models: BTreeMap<i32, Model> = BTreeMap::new();
        let now = jiff::Timestamp::now().as_millisecond();
        let judged = fixture.read(&source).into_iter().map(|record| {
            let model = models.entry(record.partition).or_insert_with(|| Model::new(&manifest, &[]));
            let stream: Arc<str> = format!("{source}|{}", record.partition).into();
            let verdict = match &record.value {
                Some(value) => model.judge_at(value, now),
                None => tombstone(&record, &stream),
            };
            Judged { record, stream, verdict }
        });
        let judged = judged.collect();
        let resources = read_paths(&[fixture.folder.path()]).unwrap();
        let PipelineAccess { ring, vault, .. } = fixture.block_on(open_to_read(&resources, None, false)).unwrap();
        let revision = fixture.manifest()["spec"]["revision"].as_i64().unwrap_or(0);
        Self { fixture, judged, ring, vault, revision }
    }

    /// Returns all records.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// Returns the number of records with such a verdict.
    pub fn count(&self, is: impl Fn(&Verdict) -> bool) -> u64 {
        self.judged.iter().filter(|judged| is(&judged.verdict)).count() as u64
    }

    /// Returns the events that go to the sinks, in the order of each partition.
    pub fn accepted(&self) -> impl Iterator<Item = &Event> {
        self.judged.iter().filter_map(|judged| match &judged.verdict {
            Verdict::Accepted(event) => Some(event),
            _ => None,
        })
    }

    /// Returns the reference of a subject for an audience.
    pub fn reference(&self, audience: Audience, subject: &str) -> String {
        self.ring.reference(audience, &self.ring.token("customers", subject)).unwrap().to_string()
    }

    /// Returns an event's id for an audience.
    pub fn id(&self, audience: Audience, event: &Event) -> String {
        let mut id = Vec::new();
        self.ring.event_id_for(audience, &event.id, &mut id).unwrap();
        String::from_utf8(id).unwrap()
    }

    /// Returns the version of an event under the manifest's revision.
    fn version(&self, event: &Event) -> i64 {
        event.version() + self.revision * 100
    }

    /// Compares every place with the model. Returns the allowed repetitions.
    pub fn check(&self) -> Repeated {
        self.check_latest_table();
        self.check_history();
        self.check_collection();
        Repeated { output: self.check_topic(), letters: self.check_letters() }
    }

    fn check_latest_table(&self) {
        let newest = latest(self.accepted(), |event| event.id.clone()).into_iter();
        let states = newest.filter(|(_, event)| !event.deletes());
        let wanted: BTreeMap<String, &Event> =
            states.map(|(subject, event)| (self.reference(Audience::Operational, &subject), event)).collect();
        let rows = self.fixture.rows("profiles");
        for row in &rows {
            let subject = row.get("subject_ref").unwrap();
            let event = wanted.get(subject).unwrap_or_else(|| panic!("no such subject: {row:?}"));
            self.check_row(row, event, Audience::Operational, 365);
            assert_eq!(row.get("version"), Some(&*self.version(event).to_string()));
        }
        assert_eq!(rows.len(), wanted.len(), "rows are missing");
    }

    fn check_history(&self) {
        let kept = append(self.accepted(), |event| self.id(Audience::Analytics, event)).rows;
        let wanted: BTreeMap<(String, String), &Event> = kept
            .into_iter()
            .map(|((subject, id), event)| ((self.reference(Audience::Analytics, &subject), id), event))
            .collect();
        let rows = self.fixture.rows("history");
        for row in &rows {
            let key = (row.get("subject_ref").unwrap().to_owned(), row.get("event_id").unwrap().to_owned());
            let event = wanted.get(&key).unwrap_or_else(|| panic!("an event that should be gone: {row:?}"));
            self.check_row(row, event, Audience::Analytics, 90);
        }
        assert_eq!(rows.len(), wanted.len(), "rows are missing");
    }

    /// Checks that a row holds one whole event, and no cell of another.
    fn check_row(&self, row: &Row, event: &Event, audience: Audience, days: i64) {
        let text = |column: &str| row.get(column).map(str::to_owned);
        let kept = Kept { tier: text("tier"), plan: text("plan"), country: text("country") };
        assert_eq!(Some(kept), event.kept, "{row:?}");
        assert_eq!(text("event_id"), Some(self.id(audience, event)));
        let time = shown_time(audience, event);
        assert_eq!(text("event_time"), Some(time.to_string()));
        let version = self.version(event);
        // The last digit orders events of one version.
        assert!(row.written.values().all(|at| at - at.rem_euclid(10) == version), "{version}: {row:?}");
        let end = (time + days * DAY).div_euclid(1000);
        assert!(row.expires.values().all(|at| at.abs_diff(end) <= SLACK), "{end}: {row:?}");
        assert!(!row.written.is_empty() && row.written.keys().eq(row.expires.keys()), "{row:?}");
    }

    fn check_collection(&self) {
        let newest = latest(self.accepted(), |event| event.id.clone()).into_iter();
        let wanted: BTreeMap<String, &Event> =
            newest.map(|(subject, event)| (self.reference(Audience::Operational, &subject), event)).collect();
        let documents = self.fixture.documents("documents");
        for document in &documents {
            let subject = document.get_str("_id").unwrap();
            let event = wanted.get(subject).unwrap_or_else(|| panic!("no such subject: {document}"));
            self.check_document(document, event);
        }
        assert_eq!(documents.len(), wanted.len(), "documents are missing");
    }

    fn check_document(&self, document: &Document, event: &Event) {
        assert_eq!(document.get_i64("_version").unwrap(), self.version(event));
        assert_eq!(document.get_str("event_id").unwrap(), event.id);
        assert_eq!(document.get_datetime("event_time").unwrap().timestamp_millis(), event.time);
        assert_eq!(document.contains_key("_deleted_at"), event.deletes(), "{document}");
        let text = |of: &Document, name: &str| of.get_str(name).ok().map(str::to_owned);
        let country = document.get_document("address").ok().and_then(|address| text(address, "country"));
        let kept = Kept { tier: text(document, "tier"), plan: text(document, "plan"), country };
        if let Some(wanted) = &event.kept {
            assert_eq!(kept, *wanted);
            let end = document.get_datetime("_expires_at").unwrap().timestamp_millis();
            assert_eq!(end, event.time + 365 * DAY);
        } else {
            assert_eq!(kept, Kept { tier: None, plan: None, country: None }, "a marker holds nothing: {document}");
        }
    }

    /// Checks the order of records of each subject. Returns the number of repetitions.
    fn check_topic(&self) -> usize {
        let mut wanted: BTreeMap<String, Vec<(String, &Event)>> = BTreeMap::new();
        for event in self.accepted() {
            let of_subject = wanted.entry(self.reference(Audience::Analytics, &event.subject)).or_default();
            of_subject.push((self.id(Audience::Analytics, event), event));
        }
        let mut found: BTreeMap<String, Vec<(String, Option<Value>)>> = BTreeMap::new();
        for record in self.fixture.read(&self.fixture.clean()) {
            let key = String::from_utf8(record.key.clone().unwrap()).unwrap();
            let value = record.value.as_ref().map(|value| serde_json::from_slice(value).unwrap());
            found.entry(key).or_default().push((record.header("lethe.event_id").unwrap(), value));
        }
        assert!(wanted.keys().eq(found.keys()), "{} subjects, and {} wanted", found.len(), wanted.len());
        let mut repeated = 0;
        for ((subject, wanted), found) in wanted.iter().zip(found.values()) {
            let mut seen = BTreeSet::new();
            let first: Vec<_> = found.iter().filter(|(id, _)| seen.insert(id)).collect();
            repeated += found.len() - first.len();
            assert!(first.iter().map(|(id, _)| id).eq(wanted.iter().map(|(id, _)| id)), "{subject}: {first:?}");
            for ((id, value), (_, event)) in first.into_iter().zip(wanted) {
                assert_eq!(value.is_none(), event.deletes());
                let Some(value) = value else { continue };
                let text = |pointer| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
                assert_eq!((text("/event_id").as_ref(), text("/subject_ref").as_ref()), (Some(id), Some(subject)));
                let kept = Kept { tier: text("/tier"), plan: text("/plan"), country: text("/address/country") };
                assert_eq!(Some(kept), event.kept);
            }
        }
        repeated
    }

    /// Checks that every rejected record has a sealed letter. Returns the number of repetitions.
    fn check_letters(&self) -> usize {
        let mut wanted: BTreeMap<(Arc<str>, u64), (&Judged, &str, bool)> = BTreeMap::new();
        for judged in &self.judged {
            if let Verdict::Rejected { reason, of_subject } = judged.verdict {
                wanted.insert((Arc::clone(&judged.stream), judged.record.offset), (judged, reason, of_subject));
            }
        }
        let (all, rejected) = (letters(self.fixture), wanted.len());
        for letter in &all {
            let place = (Arc::clone(&letter.position.stream), letter.position.offset);
            let (judged, reason, of_subject) =
                wanted.remove(&place).unwrap_or_else(|| panic!("a letter of a good event: {place:?}"));
            assert_eq!(letter.reason, reason, "{place:?}");
            assert_eq!(matches!(letter.sealed_by, LetterKey::Subject(_)), of_subject, "{place:?}");
            assert_eq!(letter.sinks, ["profiles", "history", "documents", "clean"]);
            assert_ne!(Some(&letter.sealed), judged.record.value.as_ref());
        }
        assert_eq!(wanted.len(), 0, "rejected events have no letter");
        let originals: BTreeMap<_, _> =
            self.judged.iter().map(|one| ((&*one.stream, one.record.offset), &one.record)).collect();
        self.fixture.block_on(async {
            let opened = stream::iter(&all).map(|letter| async {
                let record = open_letter(letter, &self.ring, "customers", &*self.vault).await.unwrap().unwrap();
                let original = originals[&(&*letter.position.stream, letter.position.offset)];
                assert!(record.value == original.value && record.key == original.key, "a letter holds another event");
            });
            opened.buffer_unordered(32).collect::<()>().await;
        });
        self.fixture.read(&self.fixture.dead()).iter().filter(|record| record.value.is_some()).count() - rejected
    }
}

/// Returns every dead letter of a pipeline once.
pub fn letters(fixture: &PipelineFixture) -> Vec<Letter> {
    let pipeline = format!("default.{}", fixture.pipeline());
    fixture.block_on(async {
        let letters = KafkaLetters::open(&fixture.connection(), &fixture.dead()).unwrap();
        let pages = stream::try_unfold(None, |after| {
            let page = letters.list(pipeline.clone(), after, 1000);
            async move { page.await.map(|page| page.last().map(|last| last.key).map(|last| (page, Some(last)))) }
        });
        pages.try_concat().await.unwrap()
    })
}

/// Returns an event's time as an audience sees it.
const fn shown_time(audience: Audience, event: &Event) -> i64 {
    match audience {
        Audience::Identity | Audience::Operational => event.time,
        Audience::Analytics | Audience::Public => event.time - event.time.rem_euclid(HOUR),
    }
}

/// Returns the outcome of a record without a value, which deletes the profile of its key.
fn tombstone(record: &Record, stream: &str) -> Verdict {
    let subject = record.key.clone().and_then(|key| String::from_utf8(key).ok());
    match subject {
        None => Verdict::Rejected { reason: "SubjectInvalid", of_subject: false },
        Some(subject) => Verdict::Accepted(Event {
            id: format!("{stream}|{}", record.offset),
            time: record.timestamp,
            subject,
            kept: None,
        }),
    }
}
