//! The process around the controllers: leadership, the gate for writes, the HTTP server.

pub mod clock;
pub mod gate;
pub mod lease;
pub mod metrics;
pub mod scope;
pub mod server;

mod run;

pub use run::{Ended, Options, run};
