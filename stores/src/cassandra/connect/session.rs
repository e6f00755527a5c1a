//! The session with a cluster, and the one that takes its place once no node was there.
//!
//! The driver waits ever longer between its tries to connect, ten seconds in the end, and hears that a node is back
//! only from another. A cluster that was away whole is therefore looked for by us; its names are resolved anew.

use std::{
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    cluster::Node,
};

use crate::{ErrorKind, Fault};

/// How often it is looked whether any node is there.
const LOOK: Duration = Duration::from_secs(1);
/// A cluster that is there and won't have us, as with another password, is asked ever less often, down to this: who
/// counts failed logins would see an attack.
const LONGEST_LOOK: Duration = Duration::from_secs(30);
/// How long the first connection and the list of nodes may take together.
const CONNECT: Duration = Duration::from_secs(10);

/// The session of the moment.
pub(crate) struct Sessions {
    builder: SessionBuilder,
    datacenter: String,
    now: RwLock<Arc<Session>>,
}

impl Sessions {
    /// Connects. What all sessions share, such as the clock of their writes, is in `builder`.
    pub(crate) async fn open(builder: SessionBuilder, datacenter: &str) -> Result<Arc<Self>, Fault> {
        let connecting = tokio::spawn(build(builder.clone(), datacenter.to_owned()));
        // The driver's future is never dropped half-way: it goes on by itself, and ends by its timeouts.
        let session = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(session)) => session?,
            Ok(Err(_)) => return Err(Fault::internal("the driver was stopped while it connected")),
            Err(_) => return Err(Fault::new(ErrorKind::Timeout, "no node answered in time")),
        };
        let now = RwLock::new(Arc::new(session));
        let sessions = Arc::new(Self { builder, datacenter: datacenter.to_owned(), now });
        tokio::spawn(attend(Arc::downgrade(&sessions)));
        Ok(sessions)
    }

    /// The session of the moment; whoever has it may end what it began there.
    pub(crate) fn now(&self) -> Arc<Session> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// Nodes of the local data centre, as far as they are known.
    pub(crate) fn local_nodes(&self) -> Vec<Arc<Node>> {
        let state = self.now().get_cluster_state();
        let is_local = |node: &&Arc<Node>| node.datacenter.as_deref() == Some(&self.datacenter);
        state.get_nodes_info().iter().filter(is_local).cloned().collect()
    }

    /// Whether any of them is connected.
    fn is_connected(&self) -> bool {
        self.local_nodes().iter().any(|node| node.is_connected())
    }

    async fn renew(&self) -> Result<(), Fault> {
        let session = build(self.builder.clone(), self.datacenter.clone()).await?;
        // The driver may have been quicker.
        if !self.is_connected() {
            *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(session);
        }
        Ok(())
    }
}

/// Looks for the cluster whenever it is away, for as long as there is somebody to write to it.
async fn attend(sessions: Weak<Sessions>) {
    let mut pause = LOOK;
    loop {
        tokio::time::sleep(pause).await;
        let Some(sessions) = sessions.upgrade() else { return };
        let looked = if sessions.is_connected() { Ok(()) } else { sessions.renew().await };
        pause = next_pause(pause, &looked);
    }
}

/// How long to wait after a look, and after a pause before it.
fn next_pause(pause: Duration, looked: &Result<(), Fault>) -> Duration {
    match looked {
        Ok(()) => LOOK,
        Err(fault) if fault.kind.is_transient() => LOOK,
        Err(_) => (pause * 2).min(LONGEST_LOOK),
    }
}

async fn build(builder: SessionBuilder, datacenter: String) -> Result<Session, Fault> {
    let session = builder.build().await?;
    check_datacenter(&session, &datacenter)?;
    Ok(session)
}

/// A data centre that isn't there would leave every request without a node.
fn check_datacenter(session: &Session, wanted: &str) -> Result<(), Fault> {
    let state = session.get_cluster_state();
    let mut there: Vec<&str> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    if there.is_empty() {
        return Err(Fault::new(ErrorKind::Unreachable, "the nodes could not be listed"));
    }
    if there.contains(&wanted) {
        return Ok(());
    }
    there.sort_unstable();
    there.dedup();
    Err(Fault::mismatch(format!(
        "there is no data centre {wanted}; set localDatacenter to one of {}",
        there.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_will_not_have_us_is_asked_ever_less_often_and_one_that_is_away_each_second() {
        let mut pause = LOOK;
        let mut seconds = Vec::new();
        for _ in 0..6 {
            pause = next_pause(pause, &Err(Fault::mismatch("another password".to_owned())));
            seconds.push(pause.as_secs());
        }
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30]);
        assert_eq!(next_pause(pause, &Err(Fault::new(ErrorKind::Unreachable, "no node"))), LOOK);
        assert_eq!(next_pause(pause, &Ok(())), LOOK);
    }
}
