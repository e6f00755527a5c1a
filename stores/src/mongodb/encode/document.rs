//! Encodes a record as a document.
//!
//! ```text
//! _id           <reference> (Latest), <reference>:<event id> (Append), <reference>: (deletion)
//! _version      int64
//! _expires_at   date, where the record expires; a TTL index removes it then
//! _deleted_at   date, in the marker that a deletion leaves; a marker has no field of an event
//! subject_ref   text
//! event_id      text
//! event_time    date
//! ...           the fields
//! ```

use lethe_core::{
    pipeline::{RESERVED, RESERVED_IN_MONGODB},
    reason::{Reason, Rejection},
    record::{Body, Outgoing, OutgoingBatch},
};

use crate::{
    Fault,
    mongodb::{
        encode::{
            buffer::Buffer,
            json::{self, Refused, Top},
        },
        sink::order::{Order, without_rewrite},
    },
};

/// Maximum size of a document in bytes, a limit of the server.
const LARGEST: usize = 16 * 1024 * 1024;

/// A record to write to a collection.
pub(crate) struct Write<'b> {
    /// Index of the record in the batch.
    pub index: usize,
    pub record: &'b Outgoing,
    /// The `_id` of the document.
    pub id: String,
    pub order: Order<'b>,
    /// How the record is compared with the stored document.
    pub guard: Guard,
}

/// How a write is compared with the stored document of the same `_id`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The stored document may hold any event of the subject.
    Order,
    /// The stored document can only hold the same event.
    Version,
}

/// Returns the order of a record.
pub(crate) fn order<'b>(batch: &'b OutgoingBatch, record: &Outgoing) -> Result<Order<'b>, Fault> {
    Ok(Order { floor: without_rewrite(record.version), id: text(batch, &record.event_id)? })
}

fn text<'b>(batch: &'b OutgoingBatch, range: &std::ops::Range<usize>) -> Result<&'b str, Fault> {
    let bytes = batch.bytes.get(range.clone());
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or_else(|| {
        Fault::internal("a record of the batch is not UTF-8, or its range is outside of the batch".to_owned())
    })
}

/// Why a record is not written.
pub(crate) enum Unfit {
    /// The record can't be stored as a document.
    Refused(Rejection),
    /// The batch is invalid.
    Fault(Fault),
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Self {
        Unfit::Fault(fault)
    }
}

/// Returns the rejection of a record that the store can't hold.
pub(crate) const fn refused(rule: &'static str) -> Rejection {
    Rejection { reason: Reason::SinkRefused, rule: Some(rule), path: None }
}

/// Adds the document of a record under a name.
pub(crate) fn push(name: &str, write: &Write<'_>, batch: &OutgoingBatch, out: &mut Buffer) -> Result<(), Unfit> {
    let record = write.record;
    let start = out.len();
    let open = out.document(name);
    out.text("_id", &write.id);
    out.int64("_version", record.version);
    if let Some(expires) = record.expires {
        out.date("_expires_at", expires);
    }
    if record.body == Body::Delete {
        out.date("_deleted_at", record.time);
    }
    out.text("subject_ref", write.id.get(..64).unwrap_or(&write.id));
    out.text("event_id", write.order.id);
    out.date("event_time", record.time);
    if let Body::Document(range) = &record.body {
        json::members(text(batch, range)?, top, out).map_err(|why| match why {
            Refused::Name => Unfit::Refused(refused("name")),
            Refused::Depth => Unfit::Refused(refused("depth")),
            Refused::NotJson => Unfit::Fault(Fault::internal("a record of the batch is no JSON object".to_owned())),
        })?;
    }
    out.end(open);
    if out.len() - start > LARGEST { Err(Unfit::Refused(refused("size"))) } else { Ok(()) }
}

/// Returns how to treat a name at the top of a document. Attributes of the record are skipped,
/// because they are written from the record itself. Names that have a meaning for Lethe or for an
/// update are refused.
fn top(name: &str) -> Top {
    if RESERVED.contains(&name) {
        Top::Skip
    } else if RESERVED_IN_MONGODB.contains(&name) || name.starts_with('$') {
        Top::Refuse
    } else {
        Top::Take
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_core::identity::Reference;
    use mongodb::bson::{DateTime, Document, RawDocumentBuf, doc};

    use super::*;

    fn stored(document: Option<&str>) -> Result<Document, Rejection> {
        let mut batch = OutgoingBatch { bytes: b"e-1".to_vec(), records: Vec::new() };
        let body = document.map_or(Body::Delete, |text| {
            batch.bytes.extend_from_slice(text.as_bytes());
            Body::Document(3..3 + text.len())
        });
        batch.records.push(Outgoing {
            subject: Reference([0xab; 32]),
            event_id: 0..3,
            version: 1_763_716_000_123_083,
            time: 1_763_716_000_123,
            offset: 0,
            expires: Some(1_763_716_001_123),
            body,
        });
        let record = &batch.records[0];
        let write = Write {
            index: 0,
            record,
            id: format!("{}:e-1", record.subject),
            order: order(&batch, record).unwrap_or(Order { floor: 0, id: "" }),
            guard: Guard::Order,
        };
        let mut out = Buffer::default();
        let root = out.begin();
        match push("u", &write, &batch, &mut out) {
            Ok(()) => {}
            Err(Unfit::Refused(rejection)) => return Err(rejection),
            Err(Unfit::Fault(fault)) => panic!("{fault}"),
        }
        out.end(root);
        let document = RawDocumentBuf::from_bytes(out.into_bytes()).unwrap().to_document().unwrap();
        Ok(document.get_document("u").unwrap().clone())
    }

    #[test]
    fn a_record_becomes_a_document_with_dates() {
        let reference = "ab".repeat(32);
        let json = r#"{"subject_ref":"x","event_id":"e-1","event_time":"2025-11-21T09:06:40.123Z","plan":"gold","n":{"_id":1}}"#;
        let date = DateTime::from_millis;
        assert_eq!(
            stored(Some(json)).unwrap(),
            doc! {
                "_id": format!("{reference}:e-1"), "_version": 1_763_716_000_123_083_i64,
                "_expires_at": date(1_763_716_001_123), "subject_ref": &reference, "event_id": "e-1",
                "event_time": date(1_763_716_000_123), "plan": "gold", "n": {"_id": 1_i64},
            }
        );
    }

    #[test]
    fn a_deletion_becomes_a_marker_without_a_field() {
        let marker = stored(None).unwrap();
        let names: Vec<&str> = marker.keys().map(String::as_str).collect();
        assert_eq!(names, ["_id", "_version", "_expires_at", "_deleted_at", "subject_ref", "event_id", "event_time"]);
    }

    #[test]
    fn names_that_have_a_meaning_are_refused() {
        for name in ["_id", "_version", "_expires_at", "_deleted_at", "$set"] {
            assert_eq!(stored(Some(&format!("{{\"{name}\":1}}"))), Err(refused("name")), "{name}");
        }
        assert!(stored(Some(r#"{"_other":1}"#)).is_ok());
    }

    #[test]
    fn what_no_server_takes_is_refused_by_its_size() {
        let json = format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST));
        assert_eq!(stored(Some(&json)), Err(refused("size")));
    }
}
