//! The process around the controllers: who leads, what may be written, what is answered over HTTP.

pub mod clock;
pub mod gate;
pub mod lease;
pub mod metrics;
pub mod scope;
pub mod server;

mod run;

pub use run::{Ended, Options, run};
