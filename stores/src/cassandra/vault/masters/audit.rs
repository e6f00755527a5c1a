//! The audit record.

use std::sync::atomic::Ordering;

use scylla::value::CqlTimestamp;

use crate::{
    Fault,
    cassandra::vault::Inner,
    instant::{now, rfc3339},
};

impl Inner {
    /// Appends a line. Its primary key is chosen before it is sent, so a retry by the driver stores
    /// it once.
    pub(crate) async fn audit(&self, line: String) -> Result<(), Fault> {
        let now = now();
        let day: String = rfc3339(now).chars().take(10).collect();
        let number = self.lines.fetch_add(1, Ordering::Relaxed).cast_signed();
        let session = self.store.session().session_id();
        self.write(&self.cql.audit, (day, CqlTimestamp(now), session, number, line)).await
    }
}
