//! Conditional writes and their results.
//!
//! A conditional write that times out may have been applied, or may still be applied. A read at
//! SERIAL completes or discards it. Every write that is not clearly applied is therefore followed
//! by such a read, and the stored state decides.

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

/// Maximum number of attempts of a conditional write whose response is lost, or that loses against
/// another write.
pub(crate) const MAX_ATTEMPTS: usize = 5;

/// The result of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It was applied.
    Yes,
    /// It was not applied, because the stored state differs.
    No,
    /// Its response is lost: read at SERIAL.
    Unknown,
}

impl Inner {
    /// Runs a prepared statement that returns rows.
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

    /// Runs conditional writes of one partition. Either all are applied or none.
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
            // The columns are `[applied]` and then the existing row, if there is one.
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

/// Returns the fault of a conditional write whose result is still unknown after all attempts.
pub(crate) fn contended() -> Fault {
    Fault::new(ErrorKind::Timeout, "a conditional write got no answer, or others overtook it each time")
}
