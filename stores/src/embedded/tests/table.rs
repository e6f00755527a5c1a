//! Tables of events: their columns and views, and the removal of what has expired. The laws of
//! sinks are in `tests/tests/contract`.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, sync::Arc};

use lethe_core::{
    identity::Reference,
    outcome::Outcome,
    record::{Body, Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::Records;

use crate::{
    ErrorKind, Sink, StoreError,
    embedded::{EmbeddedStore, TableOptions, TableSink, ViewColumn, sink::order::without_rewrite},
    instant::rfc3339,
};

/// An event. As in a real source, the subject, version and id of an event decide
/// everything else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    pub(super) subject: u8,
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) delete: bool,
}

impl Event {
    /// 2026-11-20 plus the version in milliseconds.
    fn time(&self) -> i64 {
        1_795_132_800_000 + self.version.div_euclid(1000)
    }

    fn document(&self) -> String {
        format!("{{\"plan\":\"{}\",\"address\":{{\"city\":\"{}\"}}}}", self.id, self.version)
    }
}

pub(super) fn batch(events: &[Event]) -> OutgoingBatch {
    let mut batch = OutgoingBatch::default();
    for event in events {
        let mut put = |text: &str| {
            let start = batch.bytes.len();
            batch.bytes.extend_from_slice(text.as_bytes());
            start..batch.bytes.len()
        };
        let event_id = put(&event.id);
        let body = if event.delete { Body::Delete } else { Body::Document(put(&event.document())) };
        batch.records.push(Outgoing {
            subject: Reference([event.subject; 32]),
            event_id,
            version: event.version,
            time: event.time(),
            offset: 0,
            expires: Some(event.time() + 1000),
            body,
        });
    }
    batch
}

struct Table {
    _dir: tempfile::TempDir,
    store: Arc<EmbeddedStore>,
    sink: TableSink,
}

pub(super) fn options(records: Records) -> TableOptions {
    let fields = ["/plan", "/address/city"].map(|path| ViewColumn::of(&path.parse().unwrap())).to_vec();
    TableOptions { table: "people".to_owned(), records, fields }
}

impl Table {
    fn new(records: Records) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open("profiles", &dir.path().join("lethe.db")).unwrap();
        let sink = TableSink::open(Arc::clone(&store), &options(records)).unwrap();
        Self { _dir: dir, store, sink }
    }

    async fn write(&mut self, events: &[Event]) -> Vec<Outcome> {
        self.sink.write(&batch(events)).await.unwrap().into_iter().collect::<Result<_, _>>().unwrap()
    }

    /// Returns every cell of every row, like `sqlite3 .dump`.
    async fn dump(&self, from: &str) -> Vec<String> {
        let sql = format!("SELECT * FROM {from}");
        let rows = self.store.read(move |connection| {
            let mut statement = connection.prepare(&sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| {
                let cells: Vec<String> =
                    (0..columns).map(|i| row.get_ref(i).map(|cell| format!("{cell:?}"))).collect::<Result<_, _>>()?;
                Ok(cells.join("|"))
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        });
        rows.await.unwrap()
    }

    /// Returns the subject, id, version and document of every row.
    async fn rows(&self) -> BTreeSet<(String, String, i64, Option<String>)> {
        let rows = self.store.read(|connection| {
            let mut statement = connection.prepare("SELECT subject_ref, event_id, version, document FROM people")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        rows.await.unwrap()
    }
}

fn expected<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeSet<(String, String, i64, Option<String>)> {
    events
        .into_iter()
        .map(|event| {
            let document = (!event.delete).then(|| event.document());
            (Reference([event.subject; 32]).to_string(), event.id.clone(), event.version, document)
        })
        .collect()
}

fn event(subject: u8, id: &str, version: i64) -> Event {
    Event { subject, id: id.to_owned(), version, delete: false }
}

fn deletion(subject: u8, id: &str, version: i64) -> Event {
    Event { delete: true, ..event(subject, id, version) }
}

#[tokio::test]
async fn expired_rows_and_markers_are_removed_in_bounded_batches() {
    for records in [Records::Latest, Records::Append] {
        let mut table = Table::new(records);
        let events: Vec<Event> = (0..10).map(|n| event(n, "a", i64::from(n) * 1_000_000)).collect();
        table.write(&events).await;
        table.write(&[deletion(0, "d", 500_000)]).await;
        // Event n has the time n seconds and expires one second later. The marker expires after 1.5
        // seconds.
        let now = events[4].time() + 1000;
        let mut sweeps = Vec::new();
        loop {
            let swept = table.store.sweep(now, 2).await.unwrap();
            sweeps.push(swept.total());
            assert!(swept.rows.iter().all(|(_, rows)| *rows <= 2));
            if !swept.more {
                break;
            }
        }
        assert_eq!(sweeps.iter().sum::<u64>(), 5, "{records:?}");
        assert_eq!(table.rows().await, expected(&events[5..]));
        assert!(table.dump("lethe_deleted").await.is_empty());
        assert_eq!(table.store.sweep(now, 2).await.unwrap(), crate::embedded::Swept::default());
    }
}

#[tokio::test]
async fn the_view_hides_a_deleted_profile() {
    let mut table = Table::new(Records::Latest);
    table.write(&[event(1, "a", 1000), event(2, "b", 1000), deletion(1, "d", 2000)]).await;
    assert_eq!(table.dump("people").await.len(), 2);
    assert_eq!(table.dump("people_fields").await.len(), 1);
}

#[tokio::test]
async fn the_view_has_a_column_for_every_field() {
    let mut table = Table::new(Records::Latest);
    table.write(&[event(7, "gold", 1000)]).await;
    let sql = "(SELECT plan, address_city, event_time FROM people_fields)";
    let time = rfc3339(event(7, "gold", 1000).time());
    let row = table.dump(sql).await.remove(0);
    assert!(row.contains("gold") || row.contains(&format!("{:?}", b"gold")), "{row} {time}");
}

#[tokio::test]
async fn opening_an_existing_table_writes_nothing() {
    let table = Table::new(Records::Append);
    let wal = table.store.path().with_extension("db-wal");
    let before = std::fs::metadata(&wal).unwrap().len();
    TableSink::open(Arc::clone(&table.store), &options(Records::Append)).unwrap();
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), before);
}

#[tokio::test]
async fn the_view_follows_the_declared_fields() {
    let table = Table::new(Records::Latest);
    let mut options = options(Records::Latest);
    options.fields.push(ViewColumn::of(&"/email".parse().unwrap()));
    options.fields.push(ViewColumn { name: "PLAN".into(), path: "$.x".into() });
    TableSink::open(Arc::clone(&table.store), &options).unwrap();
    let columns = table.dump("(SELECT group_concat(name) FROM pragma_table_info('people_fields'))").await;
    let wanted = "subject_ref,event_id,event_time,plan,address_city,email";
    assert!(columns[0].contains(&format!("{:?}", wanted.as_bytes())) || columns[0].contains(wanted), "{columns:?}");
}

fn refusal(store: &Arc<EmbeddedStore>, options: &TableOptions) -> String {
    match TableSink::open(Arc::clone(store), options).err().unwrap() {
        StoreError { kind: ErrorKind::Mismatch, message, .. } => message,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_table_with_other_columns_is_refused_with_each_difference() {
    let table = Table::new(Records::Latest);
    let message = refusal(&table.store, &options(Records::Append));
    assert!(
        message.contains("column event_id is TEXT NOT NULL and should be TEXT NOT NULL, primary key 2"),
        "{message}"
    );
    assert!(message.contains("column document is TEXT and should be TEXT NOT NULL"), "{message}");
    assert!(message.contains("column deleted_at is not one that Lethe writes"), "{message}");
    assert!(!message.contains("column subject_ref"), "{message}");
}

#[tokio::test]
async fn reserved_names_are_refused() {
    let table = Table::new(Records::Latest);
    for name in ["lethe_keys", "LETHE_x", "sqlite_master", "", "people_fields"] {
        refusal(&table.store, &TableOptions { table: name.to_owned(), ..options(Records::Latest) });
    }
}

#[tokio::test]
async fn any_other_name_is_accepted() {
    let table = Table::new(Records::Latest);
    for name in ["order", "it's", "two words", "a\"b", "größe", "1st"] {
        let options = TableOptions { table: name.to_owned(), ..options(Records::Append) };
        let mut sink = TableSink::open(Arc::clone(&table.store), &options).unwrap();
        let written = sink.write(&batch(&[event(1, "a", 1000), deletion(1, "b", 2000)])).await.unwrap();
        assert_eq!(written, [Ok(Outcome::Delivered), Ok(Outcome::Deleted)]);
        table.store.sweep(i64::MAX, 100).await.unwrap();
    }
}

#[test]
fn the_rewrite_digit_does_not_affect_the_order() {
    assert_eq!(without_rewrite(1239), 1230);
    assert_eq!(without_rewrite(-968), -970);
    assert_eq!(without_rewrite(i64::MIN), i64::MIN);
}
