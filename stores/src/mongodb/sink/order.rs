//! The order of the events of one subject: by version without its rewrite digit, then by event ID.
//! It is written as filters that the server applies during a write.
//!
//! A floor is a version whose last digit is zero. A floor is greater than a version exactly if it
//! is greater than the floor of that version. So a filter can compare a floor with a stored version
//! directly.

use mongodb::bson::{Bson, Document};

use crate::mongodb::encode::buffer::Buffer;

/// Returns the version with its last decimal digit, the rewrite digit, set to zero. Rounds down.
pub(crate) const fn without_rewrite(version: i64) -> i64 {
    version.saturating_sub(version.rem_euclid(10))
}

/// Returns the greatest version that has this floor.
const fn ceiling(floor: i64) -> i64 {
    floor.saturating_add(9)
}

/// Position of an event: its floor and its ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order<'a> {
    pub floor: i64,
    pub id: &'a str,
}

/// The order of a stored document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct There {
    /// `None` if Lethe did not write the document.
    pub version: Option<i64>,
    pub id: String,
}

impl There {
    /// Reads `_version` and `event_id`.
    pub(crate) fn of(document: &Document) -> Self {
        let version = match document.get("_version") {
            Some(Bson::Int64(version)) => Some(*version),
            Some(Bson::Int32(version)) => Some(i64::from(*version)),
            _ => None,
        };
        Self { version, id: document.get_str("event_id").unwrap_or_default().to_owned() }
    }

    /// Returns true if the event is not newer than this document.
    pub(crate) fn covers(&self, event: Order<'_>) -> bool {
        self.version.is_some_and(|version| event <= Order { floor: without_rewrite(version), id: &self.id })
    }
}

/// Adds a filter: the stored document is older than the event, or has no version.
///
/// The filter uses `$not` with `$gte` instead of `$lt`, so that it also matches documents without a
/// version.
pub(crate) fn push_older(order: Order<'_>, filter: &mut Buffer) {
    let any = filter.array("$or");
    let lower = filter.document("0");
    push_not_at_least("_version", order.floor, filter);
    filter.end(lower);
    let tied = filter.document("1");
    push_compared("_version", "$lte", ceiling(order.floor), filter);
    let id = filter.document("event_id");
    filter.text("$lt", order.id);
    filter.end(id);
    filter.end(tied);
    filter.end(any);
}

/// Adds a filter for the document of one event: the stored version is older, or absent.
pub(crate) fn push_older_version(floor: i64, filter: &mut Buffer) {
    push_not_at_least("_version", floor, filter);
}

/// Adds a filter: the stored document is not newer than the event.
pub(crate) fn push_not_newer(order: Order<'_>, filter: &mut Buffer) {
    let any = filter.array("$or");
    let lower = filter.document("0");
    push_compared("_version", "$lt", order.floor, filter);
    filter.end(lower);
    let tied = filter.document("1");
    push_compared("_version", "$lte", ceiling(order.floor), filter);
    let id = filter.document("event_id");
    filter.text("$lte", order.id);
    filter.end(id);
    filter.end(tied);
    filter.end(any);
}

fn push_compared(name: &str, operator: &str, value: i64, filter: &mut Buffer) {
    let open = filter.document(name);
    filter.int64(operator, value);
    filter.end(open);
}

fn push_not_at_least(name: &str, value: i64, filter: &mut Buffer) {
    let open = filter.document(name);
    push_compared("$not", "$gte", value, filter);
    filter.end(open);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mongodb::bson::{Document, RawDocumentBuf, doc};

    use super::*;

    fn filter(push: impl FnOnce(&mut Buffer)) -> Document {
        let mut buffer = Buffer::default();
        let root = buffer.begin();
        push(&mut buffer);
        buffer.end(root);
        RawDocumentBuf::from_bytes(buffer.into_bytes()).unwrap().to_document().unwrap()
    }

    #[test]
    fn the_guard_reads_as_the_order_is_written() {
        let order = Order { floor: 120, id: "e-1" };
        assert_eq!(
            filter(|out| push_older(order, out)),
            doc! {"$or": [
                {"_version": {"$not": {"$gte": 120_i64}}},
                {"_version": {"$lte": 129_i64}, "event_id": {"$lt": "e-1"}},
            ]}
        );
        assert_eq!(
            filter(|out| push_not_newer(order, out)),
            doc! {"$or": [
                {"_version": {"$lt": 120_i64}},
                {"_version": {"$lte": 129_i64}, "event_id": {"$lte": "e-1"}},
            ]}
        );
        assert_eq!(filter(|out| push_older_version(120, out)), doc! {"_version": {"$not": {"$gte": 120_i64}}});
    }

    #[test]
    fn an_event_is_covered_by_itself_and_by_what_is_newer_whatever_was_rewritten() {
        let there = |version, id: &str| There { version: Some(version), id: id.to_owned() };
        let event = Order { floor: 120, id: "b" };
        assert!(there(123, "b").covers(event) && there(120, "c").covers(event) && there(130, "a").covers(event));
        assert!(!there(129, "a").covers(event) && !there(119, "z").covers(event) && !There::default().covers(event));
    }

    #[test]
    fn the_edges_of_all_numbers_have_floors_too() {
        assert_eq!(without_rewrite(-1), -10);
        assert_eq!(without_rewrite(i64::MIN), i64::MIN);
        assert_eq!(ceiling(without_rewrite(i64::MAX)), i64::MAX);
    }
}
