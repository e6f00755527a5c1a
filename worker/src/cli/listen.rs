//! `--listen`: the address of the probes, metrics and status.

use std::net::SocketAddr;

use clap::Args;

use super::Failure;
use crate::observe::{BoundListener, ListenError};

#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct Listen {
    /// Serve /livez, /readyz, /metrics and /status at this address, as in 127.0.0.1:8080; port 0
    /// selects a free port. Default: none.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

impl Listen {
    /// Binds the address, if there is one.
    pub(super) async fn bind(self) -> Result<Option<BoundListener>, Failure> {
        let Some(address) = self.listen else { return Ok(None) };
        let bound = BoundListener::new(address).await?;
        tracing::info!(address = %bound.address(), "serving /livez, /readyz, /metrics and /status");
        Ok(Some(bound))
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        Failure::Other(error.to_string())
    }
}
