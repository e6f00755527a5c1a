//! `--listen`: where a running pipeline can be asked how it is.

use std::net::SocketAddr;

use clap::Args;

use super::Failure;
use crate::observe::{BoundListener, ListenError};

#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct Listen {
    /// Answer /livez, /readyz, /metrics and /status here, as in 127.0.0.1:8080; port 0 takes any
    /// that is free. Left out: nowhere.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

impl Listen {
    /// Takes the address, if there is one.
    pub(super) async fn bind(self) -> Result<Option<BoundListener>, Failure> {
        let Some(address) = self.listen else { return Ok(None) };
        let bound = BoundListener::new(address).await?;
        tracing::info!(address = %bound.address(), "answering /livez /readyz /metrics /status");
        Ok(Some(bound))
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        Failure::Other(error.to_string())
    }
}
