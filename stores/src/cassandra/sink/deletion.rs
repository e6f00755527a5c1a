//! Deletes the rows of a subject that are not newer than a deletion.
//!
//! Cassandra compares versions only. Among the events with the same version as the deletion,
//! however, those with greater event ids are newer. If a subject has many rows, one statement
//! therefore deletes the rows of lower versions, and a second one deletes the rows of the same
//! version up to the event id of the deletion.

use lethe_core::{
    record::{Outgoing, OutgoingBatch},
    version::Version,
};
use lethe_crds::profile_pipeline::{CassandraSink, Meta};
use scylla::statement::{Consistency, prepared::PreparedStatement};

use crate::{
    Fault,
    cassandra::{
        CassandraStore,
        encode::{
            cell::Cell,
            row::{Values, meta_cell},
        },
        schema::statements::{delete, delete_up_to},
    },
};

/// The prepared statements of deletions.
pub(crate) struct Deletion {
    subject: PreparedStatement,
    up_to: Option<UpTo>,
}

/// Deletes the rows of a subject up to an event id.
struct UpTo {
    statement: PreparedStatement,
    /// What fills the clustering columns; the event id is last.
    key: Vec<Meta>,
}

impl Deletion {
    pub(crate) async fn prepare(
        store: &CassandraStore,
        sink: &CassandraSink,
        level: Consistency,
    ) -> Result<Self, Fault> {
        let up_to = match key_to_id(sink) {
            None => None,
            Some((names, key)) => {
                let statement = store.prepare(&delete_up_to(sink, &names), level, true).await?;
                Some(UpTo { statement, key })
            }
        };
        Ok(Self { subject: store.prepare(&delete(sink), level, true).await?, up_to })
    }

    /// Fails with `Rights` if the user may not write. Sends a deletion without a subject: a node
    /// checks the user's rights first and then refuses it, so nothing is deleted.
    pub(crate) async fn check_may_write(&self, store: &CassandraStore) -> Result<(), Fault> {
        let no_subject = [Cell::long(0), Cell::Borrowed(b"")];
        match store.session().execute_unpaged(&self.subject, Values(&no_subject)).await {
            Ok(_) => Ok(()),
            Err(error) => Fault::of_rights(error).map_or(Ok(()), Err),
        }
    }

    /// Deletes the rows of the subject of `record` that are not newer. `version` is the version of
    /// the deletion.
    pub(crate) async fn send(
        &self,
        store: &CassandraStore,
        batch: &OutgoingBatch,
        record: &Outgoing,
        version: i64,
        subject: &[u8],
    ) -> Result<(), Fault> {
        let run = async |statement, cells: &[Cell<'_>]| {
            store.session().execute_unpaged(statement, Values(cells)).await.map(drop).map_err(Fault::from)
        };
        let Some(UpTo { statement, key }) = &self.up_to else {
            return run(&self.subject, &[Cell::long(version), Cell::Borrowed(subject)]).await;
        };
        let lowest = Version::from_stored(version).without_rewrite().get();
        run(&self.subject, &[Cell::long(lowest.saturating_sub(1)), Cell::Borrowed(subject)]).await?;
        // An event that was rewritten, up to nine times, is still the same event.
        let mut cells = vec![Cell::long(lowest.saturating_add(9)), Cell::Borrowed(subject)];
        cells.extend(key.iter().map(|meta| meta_cell(*meta, batch, record, subject)));
        run(statement, &cells).await
    }
}

/// Returns the clustering columns up to the event id, and what fills them. Returns `None` if none
/// holds the event id.
fn key_to_id(sink: &CassandraSink) -> Option<(Vec<&str>, Vec<Meta>)> {
    let (mut names, mut key) = (Vec::new(), Vec::new());
    for name in sink.clustering_key.iter().flatten() {
        let meta = sink.columns.iter().find(|column| column.name == *name)?.meta?;
        names.push(name.as_str());
        key.push(meta);
        if meta == Meta::EventId {
            return Some((names, key));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cassandra::schema::statements::tests::sink;

    #[test]
    fn the_key_is_cut_after_the_event_id() {
        let wanted = (vec!["event_time", "event_id"], vec![Meta::EventTime, Meta::EventId]);
        assert_eq!(key_to_id(&sink()), Some(wanted));
        let keyed = |names: &[&str]| CassandraSink {
            clustering_key: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..sink()
        };
        let by_id = keyed(&["event_id", "event_time"]);
        assert_eq!(key_to_id(&by_id), Some((vec!["event_id"], vec![Meta::EventId])));
        assert_eq!(key_to_id(&CassandraSink { clustering_key: None, ..sink() }), None);
    }
}
