//! Leader election with a Lease. It avoids needless conflicts; correctness does not depend on it,
//! as every write has its own preconditions. A process that has lost the Lease writes nothing more
//! ([`super::gate`]).
//!
//! ```text
//! standby --(no holder, or the holder has not renewed for 15 s of this process' clock)--> leader
//! leader  --(renews every 2 s)--> may write for 10 s from when the renewal was sent
//! leader  --(another process holds it, or no renewal for 10 s)--> the process ends
//! ```
//! Every write of the Lease has the version that was read as its precondition, so that only one of
//! two candidates acquires it. Clocks of different machines are never compared.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};

use super::{clock, gate::Gate, metrics::Metrics};
use crate::names;

/// A holder that has not renewed for this long has lost the Lease.
pub const DURATION: Duration = Duration::from_secs(15);
/// Writes are refused this long after the last successful renewal was sent.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Timeout of one attempt to acquire, renew or release. With the deadline it is less than the
/// duration.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);
/// Interval at which the leader renews the Lease and a standby reads it.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a candidate does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no Lease: create it.
    Create,
    /// It has no holder, or the holder's time has expired: take it.
    Take,
    /// This process holds it: renew it.
    Renew,
    /// Another process holds it.
    Wait,
}

/// The last version of the Lease that was read, and since when it has not changed.
#[derive(Debug, Default)]
pub struct LeaseObservation {
    version: Option<String>,
    since: Duration,
}

impl LeaseObservation {
    /// Returns the next step for a Lease that was read at `now`, a time of [`clock::now`].
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

/// A candidate for leadership.
pub struct Candidate {
    api: Api<Lease>,
    me: String,
    observation: LeaseObservation,
}

impl Candidate {
    /// Returns the candidate `me` for the Lease in `namespace`.
    pub fn new(client: Client, namespace: &str, me: String) -> Self {
        Self { api: Api::namespaced(client, namespace), me, observation: LeaseObservation::default() }
    }

    /// Waits until this process leads.
    pub async fn acquire(&mut self, gate: &Gate, metrics: &Metrics) {
        loop {
            match self.try_acquire().await {
                Ok(Some(sent)) => {
                    gate.open_until(sent + DEADLINE);
                    metrics.set_leader(true, sent);
                    return;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(error, "failed to read or write the Lease, retrying"),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Renews the Lease, and returns when this process does not lead any more.
    pub async fn hold(&mut self, gate: &Gate, metrics: &Metrics) {
        let mut renewed = clock::now();
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.try_acquire().await {
                Ok(Some(sent)) => {
                    renewed = sent;
                    gate.open_until(sent + DEADLINE);
                    metrics.set_leader(true, sent);
                }
                Ok(None) => break,
                Err(error) => tracing::warn!(error, "failed to renew the Lease, retrying"),
            }
            if clock::now().saturating_sub(renewed) >= DEADLINE {
                break;
            }
        }
        gate.close();
        metrics.set_leader(false, renewed);
    }

    /// Releases the Lease, so that a standby acquires it at once.
    pub async fn release(&mut self) {
        let released = async {
            let Some(mut lease) = self.api.get_opt(names::OPERATOR).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&self.me) {
                return Ok(());
            }
            spec.holder_identity = None;
            self.api.replace(names::OPERATOR, &PostParams::default(), &lease).await.map(|_| ())
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, released).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "failed to release the Lease, a standby acquires it when it expires");
            }
            Err(_) => tracing::warn!("timed out releasing the Lease, a standby acquires it when it expires"),
        }
    }

    /// Reads the Lease and acquires or renews it if it may. Returns when the successful write was
    /// sent; `None` if another process leads.
    async fn try_acquire(&mut self) -> Result<Option<Duration>, String> {
        let attempt = async {
            let lease = self.api.get_opt(names::OPERATOR).await?;
            let step = self.observation.step(lease.as_ref(), &self.me, clock::now());
            let sent = clock::now();
            let parameters = PostParams { field_manager: Some(names::OPERATOR.to_owned()), ..PostParams::default() };
            let written = match step {
                Step::Wait => return Ok(None),
                Step::Create => self.api.create(&parameters, &self.write(None)).await,
                Step::Take | Step::Renew => self.api.replace(names::OPERATOR, &parameters, &self.write(lease)).await,
            };
            match written {
                Ok(_) => Ok(Some(sent)),
                // Another candidate wrote first.
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
                Err(error) => Err(error),
            }
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, attempt).await {
            Ok(done) => done.map_err(|error: kube::Error| error.to_string()),
            Err(_) => Err(format!("no answer in {} s", REQUEST_TIMEOUT.as_secs())),
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
    fn a_lease_without_a_holder_is_taken_at_once() {
        let mut observation = LeaseObservation::default();
        assert_eq!(observation.step(None, "a", seconds(0)), Step::Create);
        assert_eq!(observation.step(Some(&lease(None, "1")), "a", seconds(0)), Step::Take);
        assert_eq!(observation.step(Some(&lease(Some(""), "1")), "a", seconds(0)), Step::Take);
        assert_eq!(observation.step(Some(&lease(Some("a"), "1")), "a", seconds(0)), Step::Renew);
    }

    #[test]
    fn a_lease_of_another_holder_is_taken_when_it_was_not_renewed_for_its_duration() {
        let mut observation = LeaseObservation::default();
        assert_eq!(observation.step(Some(&lease(Some("b"), "1")), "a", seconds(100)), Step::Wait);
        assert_eq!(observation.step(Some(&lease(Some("b"), "1")), "a", seconds(114)), Step::Wait);
        assert_eq!(observation.step(Some(&lease(Some("b"), "2")), "a", seconds(115)), Step::Wait, "it was renewed");
        assert_eq!(observation.step(Some(&lease(Some("b"), "2")), "a", seconds(129)), Step::Wait);
        assert_eq!(observation.step(Some(&lease(Some("b"), "2")), "a", seconds(130)), Step::Take);
    }

    #[test]
    fn a_leader_that_can_t_renew_stops_writing_before_a_standby_may_take_the_lease() {
        assert!(REQUEST_TIMEOUT + DEADLINE < DURATION);
    }
}
