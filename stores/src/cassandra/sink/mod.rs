//! A table as a sink.

mod deletion;
mod write;

use std::sync::Arc;

use futures::future::BoxFuture;
use lethe_core::{latest::Latest, outcome::Outcome, record::OutgoingBatch};
use lethe_crds::profile_pipeline::{CassandraSink as Declared, Manage, Records};

use crate::{
    Access, Answer, Fault, Sink, StoreError,
    cassandra::{
        CassandraStore, concurrency,
        encode::row::RowEncoder,
        schema::{
            check, ensure_keyspace, ensure_table,
            expiry::check_expiry,
            has_keyspace, keyspace_here,
            statements::{consistency, create_table, insert},
        },
        sink::{
            deletion::Deletion,
            write::{Sent, Writer},
        },
    },
};

/// Number of subjects whose last event a `Latest` sink remembers, in 15 to 30 MB. Ties within a
/// millisecond are resolved among them.
const REMEMBERED_SUBJECTS: usize = 100_000;

/// Maximum number of writes in flight.
const IN_FLIGHT: usize = 192;

/// Options of a table.
#[derive(Clone, Debug)]
pub struct CassandraTable {
    /// The declared table.
    pub sink: Declared,
    /// Whether the table holds the latest state of each subject or every event.
    pub records: Records,
    /// Maximum age of a record in milliseconds; `None`: no limit.
    pub max_age: Option<i64>,
}

/// A table as a sink.
///
/// A record is written with its version as timestamp and its remaining time to live, so writing it
/// again changes nothing. Cassandra can't report whether the stored row was newer, so every record
/// that was sent counts as delivered.
pub struct CassandraSink {
    writer: Arc<Writer>,
    records: Records,
    latest: Latest,
}

impl CassandraSink {
    /// Opens a table. Creates it if the sink declares `manage: Create` and `access` allows that.
    /// Fails with `Mismatch`, which lists each difference, if the table is not as declared.
    pub async fn open(store: Arc<CassandraStore>, table: CassandraTable, access: Access) -> Result<Self, StoreError> {
        let name = store.name().to_owned();
        let open = async {
            ensure(&store, &table.sink, access).await?;
            match Self::prepare(&store, &table).await? {
                Some(sink) => Ok(sink),
                None => Err(absent(&store, &table.sink, access).await?),
            }
        };
        open.await.map_err(|fault: Fault| fault.at(&name))
    }

    /// Checks that a table is as declared. Creates nothing. An absent table passes if the sink
    /// declares `manage: Create`, because `run` creates it.
    pub async fn check(store: Arc<CassandraStore>, table: CassandraTable) -> Result<(), StoreError> {
        let check = async {
            if Self::prepare(&store, &table).await?.is_none() && table.sink.manage != Some(Manage::Create) {
                return Err(absent(&store, &table.sink, Access::ReadOnly).await?);
            }
            Ok(())
        };
        check.await.map_err(|fault: Fault| fault.at(store.name()))
    }

    /// Prepares a table for writing. Returns `None` if it does not exist. Fails with `Mismatch` if
    /// it is not as declared.
    async fn prepare(store: &Arc<CassandraStore>, table: &CassandraTable) -> Result<Option<Self>, Fault> {
        let CassandraTable { sink, records, max_age } = table;
        let Some(described) = check::describe(store, &sink.keyspace, &sink.table).await? else { return Ok(None) };
        let differences = check::differences(sink, max_age.is_some(), &described);
        if !differences.is_empty() {
            return Err(Fault::mismatch(format!(
                "table {}.{} is not as declared: {}",
                sink.keyspace,
                sink.table,
                differences.join("; ")
            )));
        }
        check::warn(sink, &described);
        if let Some(age) = max_age {
            check_expiry(store, *age).await?;
        }
        let level = consistency(sink.consistency);
        let deletion = Deletion::prepare(store, sink, level).await?;
        deletion.check_may_write(store).await?;
        let writer = Writer {
            insert: store.prepare(&insert(sink), level, true).await?,
            deletion,
            encoder: RowEncoder::new(sink),
            store: Arc::clone(store),
        };
        Ok(Some(Self { writer: Arc::new(writer), records: *records, latest: Latest::new(REMEMBERED_SUBJECTS) }))
    }

    async fn write_latest(&mut self, batch: Arc<OutgoingBatch>) -> Result<Vec<Answer>, Fault> {
        let (outcomes, picks) = self.latest.choose(&batch);
        let mut answers: Vec<Answer> = outcomes.into_iter().map(Ok).collect();
        let writer = Arc::clone(&self.writer);
        let shared = Arc::clone(&batch);
        let sent = concurrency::run(picks, IN_FLIGHT, move |pick| {
            let (writer, batch) = (Arc::clone(&writer), Arc::clone(&shared));
            async move {
                let mut refusals = Vec::new();
                let mut next = Some(pick);
                while let Some(pick) = next {
                    match writer.send(&batch, pick.record, pick.version).await? {
                        Ok(sent) => return Ok((refusals, Some((pick, sent)))),
                        Err(rejection) => {
                            refusals.push((pick.record, rejection));
                            next = pick.fall_back(&batch);
                        }
                    }
                }
                Ok((refusals, None))
            }
        });
        // Remember the events only after the whole batch was answered, so that a failed batch is
        // chosen again from the same state.
        for (refusals, written) in sent.await? {
            for (record, rejection) in refusals {
                answers[record] = Err(rejection);
            }
            if let Some((pick, sent)) = written {
                answers[pick.record] = Ok(outcome(sent));
                self.latest.remember(&batch, &pick);
            }
        }
        Ok(answers)
    }

    async fn write_append(&mut self, batch: Arc<OutgoingBatch>) -> Result<Vec<Answer>, Fault> {
        let writer = Arc::clone(&self.writer);
        let shared = Arc::clone(&batch);
        let sent = concurrency::run((0..batch.records.len()).collect(), IN_FLIGHT, move |record| {
            let (writer, batch) = (Arc::clone(&writer), Arc::clone(&shared));
            async move {
                let answer = writer.send(&batch, record, batch.records[record].version).await?;
                Ok((record, answer.map(outcome)))
            }
        });
        let mut answers: Vec<Answer> = vec![Ok(Outcome::Delivered); batch.records.len()];
        for (record, answer) in sent.await? {
            answers[record] = answer;
        }
        Ok(answers)
    }
}

impl Sink for CassandraSink {
    fn write<'a>(&'a mut self, batch: &'a OutgoingBatch) -> BoxFuture<'a, Result<Vec<Answer>, StoreError>> {
        Box::pin(async move {
            // Copies the batch, at 0.1 us per record, because writes in flight outlive a dropped
            // caller.
            let batch = Arc::new(batch.clone());
            let answers = match self.records {
                Records::Latest => self.write_latest(batch).await,
                Records::Append => self.write_append(batch).await,
            };
            answers.map_err(|fault| fault.at(self.writer.store.name()))
        })
    }
}

const fn outcome(sent: Sent) -> Outcome {
    match sent {
        Sent::Written => Outcome::Delivered,
        Sent::Deleted => Outcome::Deleted,
        Sent::Expired => Outcome::Expired,
    }
}

/// Creates the keyspace and the table if they are absent and may be created.
async fn ensure(store: &CassandraStore, sink: &Declared, access: Access) -> Result<(), Fault> {
    if access == Access::ReadOnly || sink.manage != Some(Manage::Create) {
        return Ok(());
    }
    if !has_keyspace(store, &sink.keyspace).await? {
        ensure_keyspace(store, &sink.keyspace).await?;
    }
    ensure_table(store, &sink.keyspace, &sink.table, &create_table(sink)).await
}

/// Returns the fault of an absent table, with the statement that creates it.
async fn absent(store: &CassandraStore, sink: &Declared, access: Access) -> Result<Fault, Fault> {
    let name = format!("{}.{}", sink.keyspace, sink.table);
    if sink.manage == Some(Manage::Create) && access == Access::ReadOnly {
        return Ok(Fault::mismatch(format!("there is no table {name} yet; `run` makes it")));
    }
    let (what, cql) = if has_keyspace(store, &sink.keyspace).await? {
        (format!("table {name}"), create_table(sink))
    } else {
        (format!("keyspace {}", sink.keyspace), keyspace_here(store, &sink.keyspace))
    };
    Ok(Fault::mismatch(format!("there is no {what}; set manage: Create, or run: {cql}")))
}
