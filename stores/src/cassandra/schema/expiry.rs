//! How far ahead a cluster can write an expiry.
//!
//! Cassandra keeps an expiry in 32 bits: up to 2038-01-19T03:14:06Z, or, from 5.0 on and only where no
//! older node is to be expected, up to 2106. It refuses a row that would live longer.

use crate::{ErrorKind, Fault, cassandra::CassandraStore, instant::now};

/// 2038-01-19T03:14:06Z, in milliseconds.
const FIRST_CAP: i64 = 2_147_483_646_000;
/// 2106-02-07T06:28:13Z, in milliseconds.
const SECOND_CAP: i64 = 4_294_967_293_000;

/// `Mismatch` if a record of now would outlive what the cluster can write.
pub(crate) async fn check_expiry(store: &CassandraStore, age: i64) -> Result<(), Fault> {
    let end = now().saturating_add(age);
    if end < FIRST_CAP {
        return Ok(());
    }
    let sql = "SELECT value FROM system_views.settings WHERE name = 'storage_compatibility_mode'";
    // Before 4.0 there is no such table, before 5.0 no such row: both mean the first cap.
    let mode = match store.describe(sql, ()).await {
        Ok(rows) => rows.maybe_first_row::<(String,)>().ok().flatten().map(|row| row.0),
        Err(Fault { kind: ErrorKind::Mismatch | ErrorKind::Rights, .. }) => None,
        Err(fault) => return Err(fault),
    };
    refuse(end, mode.as_deref(), store.version()).map_or(Ok(()), |message| Err(Fault::mismatch(message)))
}

fn refuse(end: i64, mode: Option<&str>, version: &str) -> Option<String> {
    let (cap, year) = match mode {
        Some("NONE") => (SECOND_CAP, 2106),
        _ => (FIRST_CAP, 2038),
    };
    (end >= cap).then(|| {
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
        assert!(refuse(FIRST_CAP, None, "4.1.9").is_some_and(|message| message.contains("after 2038")));
        assert!(refuse(FIRST_CAP, Some("CASSANDRA_4"), "5.0.9").is_some());
        assert_eq!(refuse(FIRST_CAP, Some("NONE"), "5.0.9"), None);
        assert!(refuse(SECOND_CAP, Some("NONE"), "5.0.9").is_some_and(|message| message.contains("after 2106")));
    }
}
