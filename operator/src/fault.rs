//! Why a reconcile fails, and after how long it is retried.

use std::time::Duration;

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A request to the API server failed.
    #[error("failed to {doing}: {}", message(source))]
    Api {
        /// What the request was for, as in `read the Secret lethe-keys`.
        doing: String,
        /// The error. Errors of the API name objects and fields, never values of Secrets.
        source: kube::Error,
    },
}

/// Returns the message of an error without the details of its HTTP status.
fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => error.to_string(),
    }
}

impl Fault {
    /// Returns a function for `map_err` that adds what the request was for.
    pub fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Fault::Api { doing, source }
    }

    /// Returns whether the API server refused the request for a reason that a retry does not cure.
    pub fn is_refusal(&self) -> bool {
        let Fault::Api { source, .. } = self;
        matches!(source, kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422))
    }

    /// Returns whether another client wrote first: the next try sees its write.
    pub fn is_conflict(&self) -> bool {
        let Fault::Api { source, .. } = self;
        matches!(source, kube::Error::Api(status) if status.code == 409)
    }

    /// Returns the label for metrics, from a short list.
    pub fn label(&self) -> &'static str {
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

/// The longest delay between two tries, before jitter.
const MAX_BACKOFF: Duration = Duration::from_secs(120);

/// Returns the delay after `failures` + 1 consecutive failures. It doubles from half a second;
/// `random` (any number) puts it between half of that and the whole, so that many objects do not
/// retry at once.
pub fn backoff(failures: u32, random: u64) -> Duration {
    let whole = Duration::from_millis(500).saturating_mul(2_u32.saturating_pow(failures.min(16))).min(MAX_BACKOFF);
    jittered(whole / 2, random)
}

/// Returns a duration between `least` and twice `least`.
pub fn jittered(least: Duration, random: u64) -> Duration {
    least + least.mul_f64((random % 1024) as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_limit_and_is_jittered() {
        assert_eq!((backoff(0, 0), backoff(1, 0)), (Duration::from_millis(250), Duration::from_millis(500)));
        assert!(backoff(3, 1023) > backoff(3, 0) && backoff(3, 1023) < backoff(3, 0) * 2);
        assert_eq!(backoff(u32::MAX, 0), MAX_BACKOFF / 2);
    }
}
