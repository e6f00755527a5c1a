//! The order of events of one subject: (version without its rewrite digit, event id).

use std::cmp::Ordering;

use lethe_core::record::{Outgoing, OutgoingBatch};

use crate::Fault;

/// The version with its last decimal digit, the retention rewrite's, set to zero. Rounds down, for
/// times before 1970 too, so that it never crosses into another event's versions.
pub(crate) const fn without_rewrite(version: i64) -> i64 {
    version.saturating_sub(version.rem_euclid(10))
}

/// An event's id as text.
pub(crate) fn event_id<'a>(batch: &'a OutgoingBatch, record: &Outgoing) -> Result<&'a str, Fault> {
    text(batch, &record.event_id)
}

/// A range of the batch's buffer as text.
pub(crate) fn text<'a>(batch: &'a OutgoingBatch, range: &std::ops::Range<usize>) -> Result<&'a str, Fault> {
    let bytes = batch.bytes.get(range.clone());
    bytes
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .ok_or_else(|| Fault::internal("a record of the batch is no UTF-8, or lies outside of it".to_owned()))
}

/// Compares two events of one subject.
pub(crate) fn compare(a: (i64, &str), b: (i64, &str)) -> Ordering {
    without_rewrite(a.0).cmp(&without_rewrite(b.0)).then_with(|| a.1.cmp(b.1))
}

/// The same order in SQL: the event (`?floor` = its version without rewrite, `?id`) comes after the
/// row (`version`, `event_id`). A floor is a multiple of ten, so it is above a version just when it
/// is above that version's floor.
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
        fn sql_orders_as_the_model_does(
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
