//! State and settings that every reconcile shares.

use std::{
    collections::HashMap,
    hash::Hasher,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::{Client, ResourceExt};

use crate::{events::Recorder, fault, process::metrics::Metrics, rollout_limit::RolloutLimit, secrets::SecretLooks};

/// Settings of the controllers, from the command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Image of the workers.
    pub image: String,
    /// Pull policy of that image; `None`: Kubernetes' default.
    pub image_pull_policy: Option<String>,
    /// Interval between two probes of a DataStore.
    pub store_interval: Duration,
    /// Interval between two checks of the workers' status and of Secrets.
    pub look_interval: Duration,
    /// Concurrent reconciles per kind and view.
    pub concurrency: u16,
}

/// State and settings that every reconcile shares.
pub struct Context {
    /// Client of the API server.
    pub client: Client,
    /// Settings of the controllers.
    pub settings: Settings,
    /// Metrics of the operator.
    pub metrics: Arc<Metrics>,
    /// Publishes Events.
    pub recorder: Recorder,
    /// Limits how many pipelines roll out at a time.
    pub rollouts: RolloutLimit,
    /// What is known of Secrets.
    pub secrets: SecretLooks,
    /// Consecutive failures of each object.
    pub failures: Failures,
    /// When each object was polled last.
    pub polls: Polls,
}

/// Consecutive failures by kind, namespace and name of an object.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<String, u32>>);

impl Failures {
    /// Records a failure and returns the delay before the next try.
    pub fn record(&self, object: &str) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.entry(object.to_owned()).or_insert(0);
        *failures = failures.saturating_add(1);
        fault::backoff(*failures - 1, random())
    }

    /// Records a success: the next failure is the first again.
    pub fn reset(&self, object: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }
}

/// When each object was polled last, by UID, and at which generation and request. A poll puts load
/// on a store or on workers, so it keeps to its interval however often the object is reconciled.
#[derive(Debug, Default)]
pub struct Polls(Mutex<HashMap<String, (Instant, String)>>);

impl Polls {
    /// Returns the time until the next poll is due; `None` if it is due now: the interval has
    /// passed, or the object's generation or its `request` is a new one.
    pub fn until_due<K: ResourceExt>(
        &self,
        object: &K,
        request: Option<&String>,
        interval: Duration,
    ) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, state) = all.get(&object.uid().unwrap_or_default())?;
        let wait = interval.saturating_sub(at.elapsed());
        (*state == polled_state(object, request) && !wait.is_zero()).then_some(wait)
    }

    /// Records that the object was polled now.
    pub fn record<K: ResourceExt>(&self, object: &K, request: Option<&String>) {
        let poll = (Instant::now(), polled_state(object, request));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(object.uid().unwrap_or_default(), poll);
    }

    /// Forgets a deleted object.
    pub fn forget<K: ResourceExt>(&self, object: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&object.uid().unwrap_or_default());
    }
}

fn polled_state<K: ResourceExt>(object: &K, request: Option<&String>) -> String {
    let generation = object.meta().generation.unwrap_or_default();
    format!("{generation}/{}", request.map_or("", String::as_str))
}

/// Returns a random number: for jitter and unique names, not for secrets.
pub fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().build_hasher().finish()
}
