//! Encodes a record as the values of an `INSERT`.

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

/// Maximum length of a key column in Cassandra, in bytes.
const MAX_KEY_BYTES: usize = 65_535;
/// Maximum size of a row that is sent, in bytes. By default Cassandra refuses a mutation or a
/// message of 16 MiB.
const MAX_ROW_BYTES: usize = 15 * 1024 * 1024;
/// Maximum time to live in Cassandra, in seconds: 20 years.
const MAX_TTL_SECONDS: i64 = 630_720_000;

/// Encodes records as rows of one table.
pub(crate) struct RowEncoder {
    columns: Vec<Column>,
    paths: Paths,
}

struct Column {
    cql_type: CqlType,
    content: Content,
    is_key: bool,
}

enum Content {
    /// A property of the event.
    Meta(Meta),
    /// A value of the document, at this declared path.
    Path(Arc<str>),
}

/// Why a record can't be encoded as a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EncodeError {
    /// The table can't hold the record.
    Refused(Rejection),
    /// The document is not a JSON object, which the engine always writes.
    NotJson,
}

impl From<NotJson> for EncodeError {
    fn from(_: NotJson) -> Self {
        EncodeError::NotJson
    }
}

/// Returns the rejection of a record by this store.
pub(crate) fn refused(rule: &'static str, path: Option<Arc<str>>) -> Rejection {
    Rejection { reason: Reason::SinkRefused, rule: Some(rule), path }
}

impl RowEncoder {
    /// Creates the encoder. The columns keep the order of the sink. A column with neither meta nor
    /// a valid path stays empty; core rejects such a sink.
    pub(crate) fn new(sink: &CassandraSink) -> Self {
        let is_key = |name: &String| {
            sink.partition_key.contains(name) || sink.clustering_key.iter().flatten().any(|key| key == name)
        };
        let columns = sink.columns.iter().map(|column| Column {
            cql_type: column.cql_type,
            content: match (column.meta, &column.path) {
                (Some(meta), _) => Content::Meta(meta),
                (None, path) => Content::Path(path.as_deref().unwrap_or_default().into()),
            },
            is_key: is_key(&column.name),
        });
        let paths = sink.columns.iter().enumerate().filter_map(|(index, column)| {
            let path: Pointer = column.path.as_deref()?.parse().ok()?;
            column.meta.is_none().then_some((index, path))
        });
        Self { columns: columns.collect(), paths: Paths::new(paths) }
    }

    /// Encodes a record as cells, in the order of the columns. `subject` is its reference as text.
    pub(crate) fn cells<'a>(
        &self,
        batch: &'a OutgoingBatch,
        record: &Outgoing,
        document: &'a str,
        subject: &'a [u8],
    ) -> Result<Vec<Cell<'a>>, EncodeError> {
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            cells.push(match column.content {
                Content::Meta(meta) => meta_cell(meta, batch, record, subject),
                Content::Path(_) => Cell::Null,
            });
        }
        let mut unconvertible = None;
        self.paths.read(document, |index, raw| match convert(raw, self.columns[index].cql_type) {
            Some(cell) => cells[index] = cell,
            None => unconvertible = unconvertible.or(Some(index)),
        })?;
        if let Some(index) = unconvertible {
            return Err(EncodeError::Refused(refused("type", self.path(index))));
        }
        self.check_size(&cells)?;
        Ok(cells)
    }

    fn path(&self, index: usize) -> Option<Arc<str>> {
        match &self.columns[index].content {
            Content::Path(path) => Some(Arc::clone(path)),
            Content::Meta(_) => None,
        }
    }

    fn check_size(&self, cells: &[Cell<'_>]) -> Result<(), EncodeError> {
        let mut sum = 0;
        for (column, cell) in self.columns.iter().zip(cells) {
            let length = cell.bytes().map_or(0, <[u8]>::len);
            sum += length;
            // Empty values need no check: Cassandra accepts an empty clustering column, and the
            // partition key is a subject reference, which is never empty.
            if (column.is_key && length > MAX_KEY_BYTES) || sum > MAX_ROW_BYTES {
                return Err(EncodeError::Refused(refused("size", None)));
            }
        }
        Ok(())
    }
}

/// Encodes a property of an event. `subject` is its reference as text.
pub(crate) fn meta_cell<'a>(meta: Meta, batch: &'a OutgoingBatch, record: &Outgoing, subject: &'a [u8]) -> Cell<'a> {
    match meta {
        Meta::SubjectRef => Cell::Borrowed(subject),
        Meta::EventId => Cell::Borrowed(&batch.bytes[record.event_id.clone()]),
        Meta::EventTime => Cell::long(record.time),
        Meta::Version => Cell::long(record.version),
    }
}

/// Returns the time to live of a record in seconds, or `None` if it has expired. `expires` and
/// `now` are milliseconds since 1970. Rounds down, so that a replay can lengthen a life only by the
/// difference between clocks.
pub(crate) fn time_to_live(expires: i64, now: i64) -> Option<i32> {
    let seconds = expires.saturating_sub(now).div_euclid(1000).min(MAX_TTL_SECONDS);
    i32::try_from(seconds).ok().filter(|seconds| *seconds > 0)
}

/// The values of one `INSERT`: the cells, the version and the time to live. Without a time to live
/// the default of the table applies.
pub(crate) struct Row<'a> {
    pub(crate) cells: &'a [Cell<'a>],
    pub(crate) version: i64,
    pub(crate) time_to_live: Option<i32>,
}

/// The values of a statement, in order.
pub(crate) struct Values<'a>(pub(crate) &'a [Cell<'a>]);

impl SerializeRow for Values<'_> {
    fn serialize(&self, _: &RowSerializationContext<'_>, writer: &mut RowWriter<'_>) -> Result<(), SerializationError> {
        for cell in self.0 {
            let cell_writer = writer.make_cell_writer();
            match cell.bytes() {
                Some(bytes) => cell_writer.set_value(bytes).map_err(SerializationError::new)?,
                None => cell_writer.set_null(),
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
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        Values(self.cells).serialize(context, writer)?;
        writer.make_cell_writer().set_value(&self.version.to_be_bytes()).map_err(SerializationError::new)?;
        let cell_writer = writer.make_cell_writer();
        match self.time_to_live {
            Some(seconds) => cell_writer.set_value(&seconds.to_be_bytes()).map_err(SerializationError::new)?,
            None => cell_writer.set_unset(),
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

    fn cells(document: &str) -> Result<Vec<Option<Vec<u8>>>, EncodeError> {
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
        let cells = RowEncoder::new(&sink()).cells(&batch, &record, document, b"07")?;
        Ok(cells.iter().map(|cell| cell.bytes().map(<[u8]>::to_vec)).collect())
    }

    #[test]
    fn a_row_has_every_column_and_null_for_missing_values() {
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
    fn a_value_that_its_column_can_not_hold_is_rejected_with_its_path() {
        let EncodeError::Refused(rejection) = cells(r#"{"address":{"city":"x"},"spent":"much"}"#).unwrap_err() else {
            panic!("not refused")
        };
        assert_eq!(rejection.to_string(), "SinkRefused (type) at /spent");
    }

    #[test]
    fn a_row_that_is_too_large_for_cassandra_is_rejected() {
        let document = format!(r#"{{"address":{{"city":"{}"}}}}"#, "x".repeat(MAX_ROW_BYTES));
        let EncodeError::Refused(rejection) = cells(&document).unwrap_err() else { panic!("not refused") };
        assert_eq!(rejection.to_string(), "SinkRefused (size)");
    }

    #[test]
    fn a_document_that_is_not_an_object_is_an_error_and_not_a_rejection() {
        assert_eq!(cells("[]").unwrap_err(), EncodeError::NotJson);
    }

    #[test]
    fn a_row_is_serialized_as_cells_then_version_then_time_to_live() {
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
    fn a_time_to_live_is_rounded_down_and_never_zero() {
        assert_eq!(time_to_live(10_999, 0), Some(10));
        assert_eq!(time_to_live(1000, 0), Some(1));
        assert_eq!(time_to_live(999, 0), None, "zero would mean no expiry");
        assert_eq!(time_to_live(0, 5), None);
        assert_eq!(time_to_live(i64::MAX, i64::MIN), Some(630_720_000));
        assert_eq!(time_to_live(i64::MIN, i64::MAX), None);
    }

    proptest! {
        #[test]
        fn a_record_expires_at_the_same_instant_whenever_it_is_written(expires in 0_i64..10_i64.pow(11), ages in (1_i64..10_i64.pow(10), 1_i64..10_i64.pow(10))) {
            let end = |now: i64| time_to_live(expires, now).map(|ttl| now + i64::from(ttl) * 1000);
            if let (Some(a), Some(b)) = (end(expires - ages.0), end(expires - ages.1)) {
                prop_assert!((a - b).abs() < 1000 && a <= expires && b <= expires);
            }
        }
    }
}
