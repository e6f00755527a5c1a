//! The order of the events of one subject: by version without its rewrite digit, then by event id.

use std::cmp::Ordering;

use lethe_core::record::{Outgoing, OutgoingBatch};

use crate::Fault;

/// Returns the version with its last decimal digit set to zero. That digit counts retention
/// rewrites. Rounds towards negative infinity, also for times before 1970, so that the result never
/// belongs to another event.
pub(crate) const fn without_rewrite(version: i64) -> i64 {
    version.saturating_sub(version.rem_euclid(10))
}

/// Returns the id of an event as text.
pub(crate) fn event_id<'a>(batch: &'a OutgoingBatch, record: &Outgoing) -> Result<&'a str, Fault> {
    text(batch, &record.event_id)
}

/// Returns a range of the batch's buffer as text.
pub(crate) fn text<'a>(batch: &'a OutgoingBatch, range: &std::ops::Range<usize>) -> Result<&'a str, Fault> {
    let bytes = batch.bytes.get(range.clone());
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or_else(|| {
        Fault::internal("a record of the batch is not UTF-8, or its range is outside of the batch".to_owned())
    })
}

/// Compares two events of one subject, given as version and event id.
pub(crate) fn compare(a: (i64, &str), b: (i64, &str)) -> Ordering {
    without_rewrite(a.0).cmp(&without_rewrite(b.0)).then_with(|| a.1.cmp(b.1))
}

/// Returns the SQL condition that an event is newer than the row (`version`, `event_id`). `floor`
/// is the parameter with the event's version without rewrite digit, `id` the one with its event id.
/// `floor` is a multiple of ten, so it is greater than a version exactly if it is greater than that
/// version's own floor.
pub(crate) fn newer_than_row(table: &str, floor: &str, id: &str) -> String {
    format!("({floor} > {table}.version OR ({floor} >= {table}.version - 9 AND {id} > {table}.event_id))")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::*;

    proptest! {
        #[test]
        fn the_sql_condition_agrees_with_compare(
            a in prop_oneof![-40i64..40, any::<i64>().prop_map(|v| v / 4)],
            delta in -25i64..25,
            ids in ("[ab]{0,2}", "[ab]{0,2}"),
        ) {
            let row = a.saturating_add(delta);
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch("CREATE TABLE t (version INTEGER, event_id TEXT)").unwrap();
            connection.execute("INSERT INTO t VALUES (?1, ?2)", (row, &ids.1)).unwrap();
            let sql = format!("SELECT {} FROM t", newer_than_row("t", "?1", "?2"));
            let newer: bool =
                connection.query_row(&sql, (without_rewrite(a), &ids.0), |r| r.get(0)).unwrap();
            prop_assert_eq!(newer, compare((a, &ids.0), (row, &ids.1)).is_gt());
        }
    }
}
