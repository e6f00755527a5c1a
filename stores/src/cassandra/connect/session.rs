//! The session with a cluster, and its replacement after an outage of the whole cluster.
//!
//! The driver backs off between its connection attempts, up to ten seconds, and learns that a node
//! is back only from another node. After an outage of all nodes this module therefore reconnects by
//! itself. It resolves the host names again.

use std::{
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    cluster::Node,
};

use crate::{ErrorKind, Fault};

/// Interval of connection checks, and of reconnects to a cluster that can't be reached.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Longest interval of reconnects to a cluster that refuses us, e.g. because the password has
/// changed. The interval doubles up to this limit, because monitoring of failed logins would report
/// an attack.
const MAX_INTERVAL: Duration = Duration::from_secs(30);
/// Timeout of the first connection and the list of nodes together.
const CONNECT: Duration = Duration::from_secs(10);

/// Holds the current session and replaces it when needed.
pub(crate) struct Sessions {
    builder: SessionBuilder,
    datacenter: String,
    current: RwLock<Arc<Session>>,
}

impl Sessions {
    /// Connects. All sessions are built from `builder`, so they share its settings, such as the
    /// timestamp generator.
    pub(crate) async fn open(builder: SessionBuilder, datacenter: &str) -> Result<Arc<Self>, Fault> {
        let connecting = tokio::spawn(build(builder.clone(), datacenter.to_owned()));
        // The driver's future is never dropped half-way. It runs in a task of its own and ends by
        // its own timeouts.
        let session = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(session)) => session?,
            Ok(Err(_)) => return Err(Fault::internal("the driver was stopped while it connected")),
            Err(_) => return Err(Fault::new(ErrorKind::Timeout, "no node answered in time")),
        };
        let current = RwLock::new(Arc::new(session));
        let sessions = Arc::new(Self { builder, datacenter: datacenter.to_owned(), current });
        tokio::spawn(keep_connected(Arc::downgrade(&sessions)));
        Ok(sessions)
    }

    /// Returns the current session. A caller may finish on it what it started there, even after a
    /// reconnect.
    pub(crate) fn current(&self) -> Arc<Session> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// Returns the known nodes of the local data centre.
    pub(crate) fn local_nodes(&self) -> Vec<Arc<Node>> {
        let state = self.current().get_cluster_state();
        let is_local = |node: &&Arc<Node>| node.datacenter.as_deref() == Some(&self.datacenter);
        state.get_nodes_info().iter().filter(is_local).cloned().collect()
    }

    /// Returns whether any node of the local data centre is connected.
    fn is_connected(&self) -> bool {
        self.local_nodes().iter().any(|node| node.is_connected())
    }

    async fn reconnect(&self) -> Result<(), Fault> {
        let session = build(self.builder.clone(), self.datacenter.clone()).await?;
        // The driver may have reconnected first.
        if !self.is_connected() {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(session);
        }
        Ok(())
    }
}

/// Reconnects whenever no node is connected. Ends when the store is dropped.
async fn keep_connected(sessions: Weak<Sessions>) {
    let mut pause = CHECK_INTERVAL;
    loop {
        tokio::time::sleep(pause).await;
        let Some(sessions) = sessions.upgrade() else { return };
        let outcome = if sessions.is_connected() { Ok(()) } else { sessions.reconnect().await };
        pause = next_pause(pause, &outcome);
    }
}

/// Returns the pause after a check, given its outcome and the pause before it.
fn next_pause(pause: Duration, outcome: &Result<(), Fault>) -> Duration {
    match outcome {
        Ok(()) => CHECK_INTERVAL,
        Err(fault) if fault.kind.is_transient() => CHECK_INTERVAL,
        Err(_) => (pause * 2).min(MAX_INTERVAL),
    }
}

async fn build(builder: SessionBuilder, datacenter: String) -> Result<Session, Fault> {
    let session = builder.build().await?;
    check_datacenter(&session, &datacenter)?;
    Ok(session)
}

/// Fails with `Mismatch` if the cluster has no data centre of this name: every request would then
/// be without a node.
fn check_datacenter(session: &Session, wanted: &str) -> Result<(), Fault> {
    let state = session.get_cluster_state();
    let mut known: Vec<&str> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    if known.is_empty() {
        return Err(Fault::new(ErrorKind::Unreachable, "the nodes could not be listed"));
    }
    if known.contains(&wanted) {
        return Ok(());
    }
    known.sort_unstable();
    known.dedup();
    Err(Fault::mismatch(format!(
        "there is no data centre {wanted}; set localDatacenter to one of {}",
        known.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_refuses_us_is_tried_less_often_and_an_unreachable_one_every_second() {
        let mut pause = CHECK_INTERVAL;
        let mut seconds = Vec::new();
        for _ in 0..6 {
            pause = next_pause(pause, &Err(Fault::mismatch("another password".to_owned())));
            seconds.push(pause.as_secs());
        }
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30]);
        assert_eq!(next_pause(pause, &Err(Fault::new(ErrorKind::Unreachable, "no node"))), CHECK_INTERVAL);
        assert_eq!(next_pause(pause, &Ok(())), CHECK_INTERVAL);
    }
}
