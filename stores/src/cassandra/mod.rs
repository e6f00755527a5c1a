//! Cassandra: tables as sinks, and a key store. All I/O runs in the driver, on tokio.

mod concurrency;
mod connect;
mod encode;
mod fault;
mod probe;
mod records;
mod schema;
mod sink;
mod vault;

pub use connect::CassandraStore;
pub use probe::probe;
pub use records::CassandraRecords;
pub use sink::{CassandraSink, CassandraTable};
pub use vault::CassandraVault;
