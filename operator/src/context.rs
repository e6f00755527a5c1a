//! What every reconcile works with.

use std::{
    collections::HashMap,
    hash::Hasher,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::{Client, ResourceExt};

use crate::{events::Recorder, fault, pace::Pace, process::metrics::Metrics, secrets::SecretLooks};

/// How the operator works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The workers' image.
    pub image: String,
    /// When it is pulled; `None`: as Kubernetes does by default.
    pub image_pull_policy: Option<String>,
    /// How often a DataStore is asked whether it answers.
    pub store_interval: Duration,
    /// How often workers are asked how they are, and Secrets whether they changed.
    pub look_interval: Duration,
    /// Reconciles of a kind at a time, in a view.
    pub concurrency: u16,
}

/// What every reconcile works with.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// How the operator works.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where Events go.
    pub recorder: Recorder,
    /// How many pipelines roll.
    pub pace: Pace,
    /// What is known of Secrets.
    pub secrets: SecretLooks,
    /// How often objects failed in a row.
    pub failures: Failures,
    /// When objects were looked at.
    pub asked: Asked,
}

/// How often objects failed in a row, by kind, namespace and name.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<String, u32>>);

impl Failures {
    /// It failed again: how long to wait before the next try.
    pub fn failed(&self, object: &str) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.entry(object.to_owned()).or_insert(0);
        *failures = failures.saturating_add(1);
        fault::backoff(*failures - 1, random())
    }

    /// It did not fail.
    pub fn went_well(&self, object: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }
}

/// When objects were looked at last, by UID, and at which generation and request: a look costs somebody else
/// something, and comes on a schedule however often an object is reconciled.
#[derive(Debug, Default)]
pub struct Asked(Mutex<HashMap<String, (Instant, String)>>);

impl Asked {
    /// How long to wait until it is to be looked at; `None`: now.
    pub fn wait<K: ResourceExt>(&self, object: &K, request: Option<&String>, interval: Duration) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, seen) = all.get(&object.uid().unwrap_or_default())?;
        let wait = interval.saturating_sub(at.elapsed());
        (*seen == seen_of(object, request) && !wait.is_zero()).then_some(wait)
    }

    /// It was looked at.
    pub fn note<K: ResourceExt>(&self, object: &K, request: Option<&String>) {
        let seen = (Instant::now(), seen_of(object, request));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(object.uid().unwrap_or_default(), seen);
    }

    /// It is gone.
    pub fn forget<K: ResourceExt>(&self, object: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&object.uid().unwrap_or_default());
    }
}

fn seen_of<K: ResourceExt>(object: &K, request: Option<&String>) -> String {
    let generation = object.meta().generation.unwrap_or_default();
    format!("{generation}/{}", request.map_or("", String::as_str))
}

/// Any number: for times that should not fall together, nothing else.
pub fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().build_hasher().finish()
}
