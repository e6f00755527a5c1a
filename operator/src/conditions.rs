//! Conditions and their reasons: what is said of an object in its status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Whether what is declared is so: every worker runs the declared plan, the store answers.
pub const READY: &str = "Ready";
/// Whether something is on its way (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// Whether somebody must change something before it goes on (kstatus).
pub const STALLED: &str = "Stalled";
/// Whether the declared plan was written into the cluster.
pub const APPLIED: &str = "Applied";
/// That others read in the pipeline's consumer group. Not there while nobody does.
pub const GROUP_SHARED: &str = "GroupShared";

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition is as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, with what it means.
            pub const ALL: &'static [(Reason, &'static str)] = &[$((Reason::$name, concat!($($doc),+)),)+];

            /// As it is written.
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
    /// Members of the consumer group are not workers of this pipeline: each gets a part of the events.
    StrangersInGroup,
    /// Files and embedded stores are for one machine.
    NotForClusters,
    /// The configuration does not fit into a ConfigMap.
    ConfigTooLarge,
    /// An object of a name that is needed belongs to somebody else.
    NameConflict,
    /// The API server refused what the operator asked for.
    Refused,
    /// The store answers.
    Reachable,
    /// A host's name is not known.
    NameNotResolved,
    /// Nobody listens there, or nothing gets there.
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

/// A condition as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What is spoken of.
    pub kind: &'static str,
    /// Whether it is so; `None`: unknown.
    pub is: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// The same for a person, with what to do.
    pub message: String,
}

impl Said {
    /// That it is so, or not.
    pub fn is(kind: &'static str, is: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, is: Some(is), reason, message: message.into() }
    }

    /// That nobody knows yet.
    pub fn unknown(kind: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, is: None, reason, message: message.into() }
    }
}

/// Longest message of a condition: the API server takes 32 KiB, a person less.
const MESSAGE: usize = 2000;

/// The conditions as they are after this was said of `generation`. A condition keeps its time while its status stays
/// the same, and one that nothing is said of goes.
pub fn merge(before: &[Condition], said: &[Said], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let condition = |said: &Said| {
        let status = said.is.map_or("Unknown", |is| if is { "True" } else { "False" });
        let kept = before.iter().find(|before| before.type_ == said.kind && before.status == status);
        Condition {
            type_: said.kind.to_owned(),
            status: status.to_owned(),
            reason: said.reason.name().to_owned(),
            message: cut(&said.message),
            observed_generation: generation,
            last_transition_time: kept.map_or_else(|| Time(second(now)), |kept| kept.last_transition_time.clone()),
        }
    };
    said.iter().map(condition).collect()
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MESSAGE) {
        None => message.to_owned(),
        Some((at, _)) => format!("{} ...", &message[..at]),
    }
}

/// The API keeps whole seconds.
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
        let first = merge(&[], &[Said::unknown(READY, Reason::Observing, "")], Some(1), at(10));
        assert_eq!((first[0].status.as_str(), first[0].last_transition_time.0), ("Unknown", at(10)));
        let second = merge(&first, &[Said::is(READY, false, Reason::RollingOut, "0 of 2")], Some(1), at(20));
        let third = merge(&second, &[Said::is(READY, false, Reason::WorkersNotReady, "1 of 2")], Some(2), at(30));
        assert_eq!((third[0].last_transition_time.0, third[0].observed_generation), (at(20), Some(2)));
        assert_eq!(third[0].reason, "WorkersNotReady");
        let fourth = merge(&third, &[Said::is(READY, true, Reason::WorkersReady, "2 of 2")], Some(2), at(40));
        assert_eq!(fourth[0].last_transition_time.0, at(40));
        assert!(merge(&fourth, &[], Some(2), at(50)).is_empty());
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let said = Said::is(READY, false, Reason::InvalidSpec, "ü".repeat(3000));
        let message = &merge(&[], &[said], None, at(0))[0].message;
        assert!(message.ends_with("ü ...") && message.chars().count() == MESSAGE + 4);
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
