//! What ends a reconcile early, and when it is tried again.

use std::time::Duration;

/// Why a reconcile ended early.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The API server did not do what it was asked for.
    #[error("failed to {doing}: {}", said(source))]
    Api {
        /// What was asked for, as in `read the Secret lethe-keys`.
        doing: String,
        /// What it said. Errors of the API name objects and fields, never values of Secrets.
        source: kube::Error,
    },
}

/// What an error says, without what it is made of.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

impl Fault {
    /// For `map_err`: what was being done.
    pub fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Fault::Api { doing, source }
    }

    /// Whether somebody must change something: trying again alone helps nothing.
    pub fn is_refusal(&self) -> bool {
        let Fault::Api { source, .. } = self;
        matches!(source, kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422))
    }

    /// Whether somebody else wrote first: the next try sees what was written.
    pub fn is_conflict(&self) -> bool {
        let Fault::Api { source, .. } = self;
        matches!(source, kube::Error::Api(status) if status.code == 409)
    }

    /// A word for metrics, from a short list.
    pub fn word(&self) -> &'static str {
        let Fault::Api { source, .. } = self;
        match source {
            kube::Error::Api(status) => match status.code {
                401 => "unauthorized",
                403 => "forbidden",
                404 => "not-found",
                409 => "conflict",
                422 | 400 => "invalid",
                429 => "too-many-requests",
                500..=599 => "server",
                _ => "other",
            },
            kube::Error::HyperError(_) | kube::Error::Service(_) => "connection",
            _ => "other",
        }
    }
}

/// The longest pause between tries.
const LONGEST: Duration = Duration::from_secs(120);

/// How long to wait before try number `failures` + 1: doubling from half a second, within half and whole of it as
/// `random` (any number) falls, so that many objects don't come back at once.
pub fn backoff(failures: u32, random: u64) -> Duration {
    let whole = Duration::from_millis(500).saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LONGEST);
    jittered(whole / 2, random)
}

/// A time between `least` and twice that.
pub fn jittered(least: Duration, random: u64) -> Duration {
    least + least.mul_f64((random % 1024) as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_further_and_further_apart_and_never_together() {
        assert_eq!((backoff(0, 0), backoff(1, 0)), (Duration::from_millis(250), Duration::from_millis(500)));
        assert!(backoff(3, 1023) > backoff(3, 0) && backoff(3, 1023) < backoff(3, 0) * 2);
        assert_eq!(backoff(u32::MAX, 0), LONGEST / 2);
    }
}
