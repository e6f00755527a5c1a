//! Conditions of an object's status, and their reasons.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Condition: what is declared holds. Every worker runs the declared plan, or the store answers.
pub const READY: &str = "Ready";
/// Condition: a change is in progress (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// Condition: a person must change something before the operator can continue (kstatus).
pub const STALLED: &str = "Stalled";
/// Condition: the declared plan is written into the cluster.
pub const APPLIED: &str = "Applied";
/// Condition: other members read in the pipeline's consumer group. Absent while there are none.
pub const GROUP_SHARED: &str = "GroupShared";

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition has its status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason and its meaning.
            pub const ALL: &'static [(Reason, &'static str)] = &[$((Reason::$name, concat!($($doc),+)),)+];

            /// Returns the reason as it is written in a condition.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Reason::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// It was not looked at yet.
    Observing,
    /// Everything that is declared is in the cluster.
    AsDeclared,
    /// Every worker runs the declared plan.
    WorkersReady,
    /// Workers are being replaced by ones of the declared plan.
    RollingOut,
    /// The new version of Lethe waits: five pipelines roll at a time.
    RolloutQueued,
    /// Workers run the declared plan and are not ready: their pods and logs say why.
    WorkersNotReady,
    /// `spec.suspend` stopped the workers.
    Suspended,
    /// `spec.replicas` is 0.
    ScaledToZero,
    /// What is declared has mistakes; the last good workload runs on.
    InvalidSpec,
    /// A DataStore that is referred to is not there.
    StoreNotFound,
    /// A Secret that is referred to is not there, or lacks a key.
    SecretNotFound,
    /// A Secret that is referred to was not made for Lethe.
    SecretNotAllowed,
    /// A ConfigMap that is referred to is not there, or lacks a key.
    ConfigMapNotFound,
    /// Members of the consumer group are not workers of this pipeline: each gets a part of the
    /// events.
    StrangersInGroup,
    /// Files and embedded stores are for one machine.
    NotForClusters,
    /// The configuration does not fit into a ConfigMap.
    ConfigTooLarge,
    /// The name of an object that is needed is taken by another owner's object.
    NameConflict,
    /// The API server refused what the operator asked for.
    Refused,
    /// The store answers.
    Reachable,
    /// A host's name is not known.
    NameNotResolved,
    /// No process listens at the address, or the network does not reach it.
    Unreachable,
    /// The store does not answer in time.
    TimedOut,
    /// There is no trust: the certificate, the name in it, or TLS itself.
    TlsFailed,
    /// The user or the password is wrong, or has no right.
    AuthenticationFailed,
    /// The store answers, and can't be used as it is.
    Unusable,
}

/// A condition that the status should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredCondition {
    /// Its type, as [`READY`].
    pub kind: &'static str,
    /// Its status; `None`: unknown.
    pub status: Option<bool>,
    /// Why it has this status.
    pub reason: Reason,
    /// The same for a person, with what to do.
    pub message: String,
}

impl DesiredCondition {
    /// Returns a condition that is true or false.
    pub fn new(kind: &'static str, status: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status: Some(status), reason, message: message.into() }
    }

    /// Returns a condition whose status is unknown.
    pub fn unknown(kind: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status: None, reason, message: message.into() }
    }
}

/// Most characters of a message. The API server takes 32 KiB; a person reads less.
const MAX_MESSAGE: usize = 2000;

/// Returns the conditions of the new status. A condition keeps its transition time while its status
/// stays the same. A condition that is in `before` only is dropped.
pub fn merge(
    before: &[Condition],
    desired: &[DesiredCondition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |desired: &DesiredCondition| {
        let status = desired.status.map_or("Unknown", |status| if status { "True" } else { "False" });
        let kept = before.iter().find(|before| before.type_ == desired.kind && before.status == status);
        Condition {
            type_: desired.kind.to_owned(),
            status: status.to_owned(),
            reason: desired.reason.name().to_owned(),
            message: truncated(&desired.message),
            observed_generation: generation,
            last_transition_time: kept.map_or_else(|| Time(second(now)), |kept| kept.last_transition_time.clone()),
        }
    };
    desired.iter().map(condition).collect()
}

fn truncated(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        None => message.to_owned(),
        Some((at, _)) => format!("{} ...", &message[..at]),
    }
}

/// Returns the time in whole seconds, as the API stores it.
fn second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let first = merge(&[], &[DesiredCondition::unknown(READY, Reason::Observing, "")], Some(1), at(10));
        assert_eq!((first[0].status.as_str(), first[0].last_transition_time.0), ("Unknown", at(10)));
        let second =
            merge(&first, &[DesiredCondition::new(READY, false, Reason::RollingOut, "0 of 2")], Some(1), at(20));
        let third =
            merge(&second, &[DesiredCondition::new(READY, false, Reason::WorkersNotReady, "1 of 2")], Some(2), at(30));
        assert_eq!((third[0].last_transition_time.0, third[0].observed_generation), (at(20), Some(2)));
        assert_eq!(third[0].reason, "WorkersNotReady");
        let fourth =
            merge(&third, &[DesiredCondition::new(READY, true, Reason::WorkersReady, "2 of 2")], Some(2), at(40));
        assert_eq!(fourth[0].last_transition_time.0, at(40));
        assert!(merge(&fourth, &[], Some(2), at(50)).is_empty());
    }

    #[test]
    fn a_message_is_truncated_between_characters() {
        let desired = DesiredCondition::new(READY, false, Reason::InvalidSpec, "ü".repeat(3000));
        let message = &merge(&[], &[desired], None, at(0))[0].message;
        assert!(message.ends_with("ü ...") && message.chars().count() == MAX_MESSAGE + 4);
    }

    #[test]
    fn every_reason_is_explained_in_the_guide() {
        let guide = include_str!("../../docs/operator.md");
        for (reason, meaning) in Reason::ALL {
            let line = format!("| `{}` | {} |", reason.name(), meaning.trim());
            assert!(guide.contains(&line), "docs/operator.md lacks the line {line}");
        }
    }
}
