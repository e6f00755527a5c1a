//! Conditional writes, and what they came to.
//!
//! A conditional write that times out may have been carried out, or may yet be. A read at SERIAL
//! finishes or discards it, so each one that isn't plainly applied is followed by such a read; what
//! is there then decides.

use scylla::{
    serialize::row::SerializeRow,
    statement::{
        Consistency, SerialConsistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
    value::CqlValue,
    value::Row,
};

use crate::{
    ErrorKind, Fault,
    cassandra::{fault::unexpected, vault::Inner},
};
use scylla::response::query_result::{QueryResult, QueryRowsResult};

/// Tries of a conditional write whose answer is lost, or that another one overtakes.
pub(crate) const TRIES: usize = 5;

/// What is known of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It was carried out.
    Yes,
    /// It wasn't: what is there differs.
    No,
    /// Its answer is lost: read at SERIAL.
    Unknown,
}

impl Inner {
    /// Runs a prepared statement that answers rows.
    pub(crate) async fn rows(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, Fault> {
        let answer = self.store.session().execute_unpaged(statement, values).await?;
        answer.into_rows_result().map_err(|_| unexpected())
    }

    /// Runs a prepared write.
    pub(crate) async fn write(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Result<(), Fault> {
        self.store.session().execute_unpaged(statement, values).await?;
        Ok(())
    }

    /// Runs a conditional write.
    pub(crate) async fn write_if(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Applied, Fault> {
        applied(self.store.session().execute_unpaged(statement, values).await.map_err(Fault::from))
    }

    /// Runs conditional writes of one partition: all of them, or none.
    pub(crate) async fn write_all_if<V: SerializeRow>(
        &self,
        statement: &PreparedStatement,
        values: Vec<V>,
    ) -> Result<Applied, Fault> {
        let mut batch =
            Batch::new_with_statements(BatchType::Unlogged, values.iter().map(|_| statement.clone().into()).collect());
        batch.set_consistency(Consistency::Quorum);
        batch.set_serial_consistency(Some(SerialConsistency::Serial));
        batch.set_is_idempotent(false);
        applied(self.store.session().batch(&batch, values).await.map_err(Fault::from))
    }
}

fn applied(answer: Result<QueryResult, Fault>) -> Result<Applied, Fault> {
    match answer {
        Ok(answer) => {
            let rows = answer.into_rows_result().map_err(|_| unexpected())?;
            // `[applied]`, then the row that was in the way, if there was one.
            let first: Row = rows.first_row().map_err(|_| unexpected())?;
            match first.columns.first() {
                Some(Some(CqlValue::Boolean(true))) => Ok(Applied::Yes),
                Some(Some(CqlValue::Boolean(false))) => Ok(Applied::No),
                _ => Err(unexpected()),
            }
        }
        Err(fault) if fault.kind.is_transient() => Ok(Applied::Unknown),
        Err(fault) => Err(fault),
    }
}

/// After so many tries nothing is known.
pub(crate) fn contended() -> Fault {
    Fault::new(ErrorKind::Timeout, "a conditional write got no answer, or others overtook it each time")
}
