//! A record as the values of an `INSERT`.

use lethe_core::{
    json::NotJson,
    pipeline::Pointer,
    reason::{Reason, Rejection},
    record::{Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::{CassandraSink, CqlType, Meta};
use scylla::{
    errors::SerializationError,
    serialize::{
        row::{RowSerializationContext, SerializeRow},
        writers::RowWriter,
    },
};
use std::sync::Arc;

use crate::cassandra::encode::{
    cell::{Cell, convert},
    document::Paths,
};

/// Longest key column of Cassandra, in bytes.
const LONGEST_KEY: usize = 65_535;
/// Largest row that is sent: Cassandra refuses a mutation or a message of 16 MiB, unless it is told
/// otherwise.
const LARGEST_ROW: usize = 15 * 1024 * 1024;
/// Longest time to live that Cassandra takes, in seconds: 20 years.
const LONGEST_TTL: i64 = 630_720_000;

/// How records become rows of one table.
pub(crate) struct Shape {
    columns: Vec<Column>,
    paths: Paths,
}

struct Column {
    cql_type: CqlType,
    filled: Filled,
    is_key: bool,
}

enum Filled {
    /// By what Lethe knows of the event.
    Meta(Meta),
    /// From the document: the path as it was declared.
    Path(Arc<str>),
}

/// Why a record is no row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRow {
    /// The table can't hold it.
    Refused(Rejection),
    /// It is not what the engine writes.
    NotJson,
}

impl From<NotJson> for NoRow {
    fn from(_: NotJson) -> Self {
        NoRow::NotJson
    }
}

/// A refusal of a record by this store.
pub(crate) fn refused(rule: &'static str, path: Option<Arc<str>>) -> Rejection {
    Rejection { reason: Reason::SinkRefused, rule: Some(rule), path }
}

impl Shape {
    /// Columns in the order of the sink's. A column without a meta or a readable path stays empty:
    /// core refuses it.
    pub(crate) fn new(sink: &CassandraSink) -> Self {
        let is_key = |name: &String| {
            sink.partition_key.contains(name) || sink.clustering_key.iter().flatten().any(|key| key == name)
        };
        let columns = sink.columns.iter().map(|column| Column {
            cql_type: column.cql_type,
            filled: match (column.meta, &column.path) {
                (Some(meta), _) => Filled::Meta(meta),
                (None, path) => Filled::Path(path.as_deref().unwrap_or_default().into()),
            },
            is_key: is_key(&column.name),
        });
        let paths = sink.columns.iter().enumerate().filter_map(|(index, column)| {
            let path: Pointer = column.path.as_deref()?.parse().ok()?;
            column.meta.is_none().then_some((index, path))
        });
        Self { columns: columns.collect(), paths: Paths::new(paths) }
    }

    /// The cells of a record, in the order of the columns. `subject` is its reference as text.
    pub(crate) fn cells<'a>(
        &self,
        batch: &'a OutgoingBatch,
        record: &Outgoing,
        document: &'a str,
        subject: &'a [u8],
    ) -> Result<Vec<Cell<'a>>, NoRow> {
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            cells.push(match column.filled {
                Filled::Meta(meta) => known(meta, batch, record, subject),
                Filled::Path(_) => Cell::Null,
            });
        }
        let mut misfit = None;
        self.paths.read(document, |index, raw| match convert(raw, self.columns[index].cql_type) {
            Some(cell) => cells[index] = cell,
            None => misfit = misfit.or(Some(index)),
        })?;
        if let Some(index) = misfit {
            return Err(NoRow::Refused(refused("type", self.path(index))));
        }
        self.check_size(&cells)?;
        Ok(cells)
    }

    fn path(&self, index: usize) -> Option<Arc<str>> {
        match &self.columns[index].filled {
            Filled::Path(path) => Some(Arc::clone(path)),
            Filled::Meta(_) => None,
        }
    }

    fn check_size(&self, cells: &[Cell<'_>]) -> Result<(), NoRow> {
        let mut sum = 0;
        for (column, cell) in self.columns.iter().zip(cells) {
            let length = cell.bytes().map_or(0, <[u8]>::len);
            sum += length;
            // An empty clustering column is legal, an empty partition key is not: references are neither.
            if (column.is_key && length > LONGEST_KEY) || sum > LARGEST_ROW {
                return Err(NoRow::Refused(refused("size", None)));
            }
        }
        Ok(())
    }
}

/// What Lethe knows of an event. `subject` is its reference as text.
pub(crate) fn known<'a>(meta: Meta, batch: &'a OutgoingBatch, record: &Outgoing, subject: &'a [u8]) -> Cell<'a> {
    match meta {
        Meta::SubjectRef => Cell::Borrowed(subject),
        Meta::EventId => Cell::Borrowed(&batch.bytes[record.event_id.clone()]),
        Meta::EventTime => Cell::long(record.time),
        Meta::Version => Cell::long(record.version),
    }
}

/// Seconds that a record has to live at `now`, both in milliseconds since 1970; `None` if it has
/// none. Rounded down, so that a replay never lengthens a life by more than clocks differ.
pub(crate) fn time_to_live(expires: i64, now: i64) -> Option<i32> {
    let seconds = expires.saturating_sub(now).div_euclid(1000).min(LONGEST_TTL);
    i32::try_from(seconds).ok().filter(|seconds| *seconds > 0)
}

/// The values of one `INSERT`: the cells, the version and the time to live (`None`: the table's own).
pub(crate) struct Row<'a> {
    pub(crate) cells: &'a [Cell<'a>],
    pub(crate) version: i64,
    pub(crate) time_to_live: Option<i32>,
}

/// Values of a statement, in order.
pub(crate) struct Values<'a>(pub(crate) &'a [Cell<'a>]);

impl SerializeRow for Values<'_> {
    fn serialize(&self, _: &RowSerializationContext<'_>, writer: &mut RowWriter<'_>) -> Result<(), SerializationError> {
        for cell in self.0 {
            let room = writer.make_cell_writer();
            match cell.bytes() {
                Some(bytes) => room.set_value(bytes).map_err(SerializationError::new)?,
                None => room.set_null(),
            };
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl SerializeRow for Row<'_> {
    fn serialize(
        &self,
        of: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        Values(self.cells).serialize(of, writer)?;
        writer.make_cell_writer().set_value(&self.version.to_be_bytes()).map_err(SerializationError::new)?;
        let room = writer.make_cell_writer();
        match self.time_to_live {
            Some(seconds) => room.set_value(&seconds.to_be_bytes()).map_err(SerializationError::new)?,
            None => room.set_unset(),
        };
        Ok(())
    }

    fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::{identity::Reference, record::Body};
    use proptest::prelude::*;

    use super::*;
    use crate::cassandra::schema::statements::tests::sink;

    fn cells(document: &str) -> Result<Vec<Option<Vec<u8>>>, NoRow> {
        let batch = OutgoingBatch { bytes: b"e-1".to_vec(), records: Vec::new() };
        let record = Outgoing {
            subject: Reference([7; 32]),
            event_id: 0..3,
            version: 5000,
            time: 5,
            offset: 0,
            expires: None,
            body: Body::Delete,
        };
        let cells = Shape::new(&sink()).cells(&batch, &record, document, b"07")?;
        Ok(cells.iter().map(|cell| cell.bytes().map(<[u8]>::to_vec)).collect())
    }

    #[test]
    fn a_row_has_every_column_and_null_where_the_event_has_nothing() {
        let row = cells(r#"{"subject_ref":"x","spent":1.5,"other":{"city":"no"}}"#).unwrap();
        let wanted = [
            Some(b"07".to_vec()),
            Some(5_i64.to_be_bytes().to_vec()),
            Some(b"e-1".to_vec()),
            None,
            Some(vec![0, 0, 0, 1, 15]),
        ];
        assert_eq!(row, wanted);
    }

    #[test]
    fn a_value_that_its_column_can_not_hold_is_refused_by_its_path() {
        let NoRow::Refused(rejection) = cells(r#"{"address":{"city":"x"},"spent":"much"}"#).unwrap_err() else {
            panic!("not refused")
        };
        assert_eq!(rejection.to_string(), "SinkRefused (type) at /spent");
    }

    #[test]
    fn what_is_too_large_for_cassandra_is_refused() {
        let document = format!(r#"{{"address":{{"city":"{}"}}}}"#, "x".repeat(LARGEST_ROW));
        let NoRow::Refused(rejection) = cells(&document).unwrap_err() else { panic!("not refused") };
        assert_eq!(rejection.to_string(), "SinkRefused (size)");
    }

    #[test]
    fn what_the_engine_does_not_write_is_no_refusal_of_the_record() {
        assert_eq!(cells("[]").unwrap_err(), NoRow::NotJson);
    }

    #[test]
    fn the_values_are_the_cells_the_version_and_the_time_to_live() {
        let mut out = Vec::new();
        let cells = [Cell::Borrowed(b"ab"), Cell::Null];
        for time_to_live in [Some(9), None] {
            Row { cells: &cells, version: 1, time_to_live }
                .serialize(&RowSerializationContext::from_specs(&[]), &mut RowWriter::new(&mut out))
                .unwrap();
        }
        let start = [0, 0, 0, 2, b'a', b'b', 255, 255, 255, 255, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1];
        let wanted = [&start[..], &[0, 0, 0, 4, 0, 0, 0, 9], &start, &[255, 255, 255, 254]].concat();
        assert_eq!(out, wanted);
    }

    #[test]
    fn a_life_is_rounded_down_and_ends_before_it_is_zero() {
        assert_eq!(time_to_live(10_999, 0), Some(10));
        assert_eq!(time_to_live(1000, 0), Some(1));
        assert_eq!(time_to_live(999, 0), None, "zero would mean for ever");
        assert_eq!(time_to_live(0, 5), None);
        assert_eq!(time_to_live(i64::MAX, i64::MIN), Some(630_720_000));
        assert_eq!(time_to_live(i64::MIN, i64::MAX), None);
    }

    proptest! {
        #[test]
        fn whenever_it_is_written_a_record_expires_at_one_instant(expires in 0_i64..10_i64.pow(11), ages in (1_i64..10_i64.pow(10), 1_i64..10_i64.pow(10))) {
            let end = |now: i64| time_to_live(expires, now).map(|ttl| now + i64::from(ttl) * 1000);
            if let (Some(a), Some(b)) = (end(expires - ages.0), end(expires - ages.1)) {
                prop_assert!((a - b).abs() < 1000 && a <= expires && b <= expires);
            }
        }
    }
}
