//! Checks that a cluster can store the expiry of a record.
//!
//! Cassandra stores an expiry in 32 bits. The latest one is 2038-01-19T03:14:06Z, or in 2106 from
//! version 5.0 on if the cluster doesn't have to support older nodes. Cassandra refuses a row that
//! would expire later.

use crate::{ErrorKind, Fault, cassandra::CassandraStore, instant::now};

/// 2038-01-19T03:14:06Z, in milliseconds.
const LIMIT_2038: i64 = 2_147_483_646_000;
/// 2106-02-07T06:28:13Z, in milliseconds.
const LIMIT_2106: i64 = 4_294_967_293_000;

/// Fails with `Mismatch` if a record that is written now would expire later than the cluster can
/// store. `age` is in milliseconds.
pub(crate) async fn check_expiry(store: &CassandraStore, age: i64) -> Result<(), Fault> {
    let end = now().saturating_add(age);
    if end < LIMIT_2038 {
        return Ok(());
    }
    let sql = "SELECT value FROM system_views.settings WHERE name = 'storage_compatibility_mode'";
    // Versions before 4.0 lack the table, versions before 5.0 lack the row: the earlier limit
    // applies to both.
    let mode = match store.describe(sql, ()).await {
        Ok(rows) => rows.maybe_first_row::<(String,)>().ok().flatten().map(|row| row.0),
        Err(Fault { kind: ErrorKind::Mismatch | ErrorKind::Rights, .. }) => None,
        Err(fault) => return Err(fault),
    };
    refuse(end, mode.as_deref(), store.version()).map_or(Ok(()), |message| Err(Fault::mismatch(message)))
}

fn refuse(end: i64, mode: Option<&str>, version: &str) -> Option<String> {
    let (limit, year) = match mode {
        Some("NONE") => (LIMIT_2106, 2106),
        _ => (LIMIT_2038, 2038),
    };
    (end >= limit).then(|| {
        format!(
            "with this maxAge records would expire after {year}, which Cassandra {version} can't write{}",
            if year == 2038 {
                "; lower maxAge, or, from 5.0 on, set the nodes' storage_compatibility_mode to NONE"
            } else {
                "; lower maxAge"
            }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_after_2038_needs_nodes_that_can_write_it() {
        assert!(refuse(LIMIT_2038, None, "4.1.9").is_some_and(|message| message.contains("after 2038")));
        assert!(refuse(LIMIT_2038, Some("CASSANDRA_4"), "5.0.9").is_some());
        assert_eq!(refuse(LIMIT_2038, Some("NONE"), "5.0.9"), None);
        assert!(refuse(LIMIT_2106, Some("NONE"), "5.0.9").is_some_and(|message| message.contains("after 2106")));
    }
}
