//! Who leads. A Lease is for quiet, not for safety: safety is in the writes themselves. Still, one that has lost it
//! writes nothing more ([`super::gate`]).
//!
//! ```text
//! standby --(nobody holds it, or its holder stood still for 15 s of our own clock)--> take it --> leader
//! leader  --(every 2 s: renewed)--> may write for 10 s from when the renewal was sent
//! leader  --(another holds it, or no renewal for 10 s)--> the process ends
//! ```
//! Every write of the Lease has the version that was read as its precondition: of two that take it, one does. Clocks
//! of machines are never compared.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};

use super::{clock, gate::Gate, metrics::Metrics};
use crate::names;

/// A holder that stood still for so long has lost it.
pub const DURATION: Duration = Duration::from_secs(15);
/// Without a renewal, writes end so long after the last one was sent.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// The longest that a request of this file is waited for. With the deadline, less than the duration.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often the leader renews it, and a standby looks.
const EVERY: Duration = Duration::from_secs(2);

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no Lease.
    Create,
    /// It is free.
    Take,
    /// It is ours.
    Renew,
    /// Another holds it.
    Wait,
}

/// What was seen of a Lease.
#[derive(Debug, Default)]
pub struct Sight {
    version: Option<String>,
    since: Duration,
}

impl Sight {
    /// Looks at the Lease as it was read, `now` by [`clock::now`].
    pub fn step(&mut self, lease: Option<&Lease>, me: &str, now: Duration) -> Step {
        let Some(lease) = lease else { return Step::Create };
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder == me {
            return Step::Renew;
        }
        if holder.is_empty() {
            return Step::Take;
        }
        if self.version != lease.metadata.resource_version {
            self.version.clone_from(&lease.metadata.resource_version);
            self.since = now;
        }
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
        let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).max(DURATION);
        if now.saturating_sub(self.since) >= duration { Step::Take } else { Step::Wait }
    }
}

/// A place among those who want to lead.
pub struct Candidate {
    api: Api<Lease>,
    me: String,
    sight: Sight,
}

impl Candidate {
    /// One of this name, for the Lease of this namespace.
    pub fn new(client: Client, namespace: &str, me: String) -> Self {
        Self { api: Api::namespaced(client, namespace), me, sight: Sight::default() }
    }

    /// Waits until it leads.
    pub async fn wins(&mut self, gate: &Gate, metrics: &Metrics) {
        loop {
            match self.turn().await {
                Ok(Some(sent)) => {
                    gate.open_until(sent + DEADLINE);
                    metrics.leads(true, sent);
                    return;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(error, "the Lease can't be read or written: trying again"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Keeps leading; answers when it doesn't any more.
    pub async fn loses(&mut self, gate: &Gate, metrics: &Metrics) {
        let mut renewed = clock::now();
        loop {
            tokio::time::sleep(EVERY).await;
            match self.turn().await {
                Ok(Some(sent)) => {
                    renewed = sent;
                    gate.open_until(sent + DEADLINE);
                    metrics.leads(true, sent);
                }
                Ok(None) => break,
                Err(error) => tracing::warn!(error, "the Lease could not be renewed: trying again"),
            }
            if clock::now().saturating_sub(renewed) >= DEADLINE {
                break;
            }
        }
        gate.close();
        metrics.leads(false, renewed);
    }

    /// Lets it go, so that another takes it at once.
    pub async fn leave(&mut self) {
        let released = async {
            let Some(mut lease) = self.api.get_opt(names::OPERATOR).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&self.me) {
                return Ok(());
            }
            spec.holder_identity = None;
            self.api.replace(names::OPERATOR, &PostParams::default(), &lease).await.map(|_| ())
        };
        match tokio::time::timeout(PATIENCE, released).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be released: another waits until it is over"),
            Err(_) => tracing::warn!("the Lease could not be released in time: another waits until it is over"),
        }
    }

    /// Looks, and writes where it may; answers when the write that makes it lead was sent.
    async fn turn(&mut self) -> Result<Option<Duration>, String> {
        let turn = async {
            let lease = self.api.get_opt(names::OPERATOR).await?;
            let step = self.sight.step(lease.as_ref(), &self.me, clock::now());
            let sent = clock::now();
            let parameters = PostParams { field_manager: Some(names::OPERATOR.to_owned()), ..PostParams::default() };
            let written = match step {
                Step::Wait => return Ok(None),
                Step::Create => self.api.create(&parameters, &self.write(None)).await,
                Step::Take | Step::Renew => self.api.replace(names::OPERATOR, &parameters, &self.write(lease)).await,
            };
            match written {
                Ok(_) => Ok(Some(sent)),
                // Somebody was first.
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
                Err(error) => Err(error),
            }
        };
        match tokio::time::timeout(PATIENCE, turn).await {
            Ok(done) => done.map_err(|error: kube::Error| error.to_string()),
            Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
        }
    }

    fn write(&self, lease: Option<Lease>) -> Lease {
        let mut lease = lease.unwrap_or_default();
        lease.metadata.name = Some(names::OPERATOR.to_owned());
        let now = MicroTime(Timestamp::now());
        let before = lease.spec.take().unwrap_or_default();
        let again = before.holder_identity.as_deref() == Some(&self.me);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: Some(DURATION.as_secs() as i32),
            acquire_time: if again { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!again)),
            ..LeaseSpec::default()
        });
        lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: Option<&str>, version: &str) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.resource_version = Some(version.to_owned());
        lease.spec = Some(LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        });
        lease
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_that_nobody_holds_is_taken_at_once() {
        let mut sight = Sight::default();
        assert_eq!(sight.step(None, "a", seconds(0)), Step::Create);
        assert_eq!(sight.step(Some(&lease(None, "1")), "a", seconds(0)), Step::Take);
        assert_eq!(sight.step(Some(&lease(Some(""), "1")), "a", seconds(0)), Step::Take);
        assert_eq!(sight.step(Some(&lease(Some("a"), "1")), "a", seconds(0)), Step::Renew);
    }

    #[test]
    fn another_s_is_taken_when_it_stood_still_for_its_duration() {
        let mut sight = Sight::default();
        assert_eq!(sight.step(Some(&lease(Some("b"), "1")), "a", seconds(100)), Step::Wait);
        assert_eq!(sight.step(Some(&lease(Some("b"), "1")), "a", seconds(114)), Step::Wait);
        assert_eq!(sight.step(Some(&lease(Some("b"), "2")), "a", seconds(115)), Step::Wait, "it was renewed");
        assert_eq!(sight.step(Some(&lease(Some("b"), "2")), "a", seconds(129)), Step::Wait);
        assert_eq!(sight.step(Some(&lease(Some("b"), "2")), "a", seconds(130)), Step::Take);
    }

    #[test]
    fn who_can_t_renew_stops_before_another_may_take_it() {
        assert!(PATIENCE + DEADLINE < DURATION);
    }
}
