//! Cassandra: tables as sinks and a key store. All I/O is the driver's, on tokio.

mod cell;
mod check;
mod deletion;
mod document;
mod expiry;
mod fault;
mod lanes;
mod number;
mod records;
mod row;
mod schema;
mod session;
mod sink;
mod statements;
mod store;
mod tls;
mod vault;
mod write;

pub use records::CassandraRecords;
pub use sink::{CassandraSink, CassandraTable};
pub use store::CassandraStore;
pub use vault::CassandraVault;
