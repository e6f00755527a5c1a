//! The complete objects of two pipelines, so that a change of them shows in a diff.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, time::Duration};

use lethe_crds::{load::read_text, profile_pipeline::ProfilePipelineSpec};
use serde::Serialize;
use serde_json::json;

use super::*;
use crate::pipeline::{dereference::References, validate::Mounted};

fn settings() -> Settings {
    Settings {
        image: "localhost/lethe-worker:1".to_owned(),
        image_pull_policy: None,
        store_interval: Duration::from_secs(60),
        look_interval: Duration::from_secs(60),
        concurrency: 8,
    }
}

fn example(replicas: i32) -> ProfilePipeline {
    let text = include_str!("../../../../examples/streaming/pipeline.yaml");
    let resources = read_text("pipeline.yaml", text).unwrap();
    let mut pipeline = resources.pipelines().next().unwrap().clone();
    pipeline.metadata.namespace = Some("shop".to_owned());
    pipeline.metadata.uid = Some("11111111-2222-3333-4444-555555555555".to_owned());
    pipeline.spec.replicas = Some(replicas);
    pipeline
}

fn objects(pipeline: &ProfilePipeline) -> String {
    let text = include_str!("../../../../examples/streaming/store.yaml");
    let stores = read_text("store.yaml", text).unwrap();
    let stores = stores.data_stores().map(|store| (store.metadata.name.clone().unwrap(), store.clone()));
    let references = References { stores: stores.collect(), ..References::default() };
    let secrets = vec![Mounted { name: "lethe-keys".to_owned(), version: "uid/1".to_owned() }];
    let mut config = Config::of(pipeline, &references).unwrap();
    // The tests of `config` cover the contents.
    (config.pipeline, config.stores) = ("the pipeline\n".to_owned(), "its DataStores\n".to_owned());
    let wanted = build(pipeline, &config, &Valid { secrets, warnings: Vec::new() }, &settings());
    let mut text = String::new();
    text.push_str(&yaml(&wanted.config_map));
    text.push_str(&wanted.service_account.as_ref().map(yaml).unwrap_or_default());
    text.push_str(&yaml(&wanted.service));
    text.push_str(&yaml(&wanted.network_policy));
    text.push_str(&wanted.disruption_budget.as_ref().map(yaml).unwrap_or_default());
    text.push_str(&yaml(&wanted.deployment));
    text
}

fn yaml<T: Serialize>(object: &T) -> String {
    format!("---\n{}", serde_yaml::to_string(object).unwrap())
}

#[track_caller]
fn assert_matches_file(name: &str, text: &str) {
    let path = format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("LETHE_WRITE_TESTDATA").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{name} differs; if that is intended: LETHE_WRITE_TESTDATA=1 cargo test --workspace --lib, and review the diff"
    );
}

#[test]
fn a_pipeline_with_two_workers_has_these_objects() {
    assert_matches_file("workload.yaml", &objects(&example(2)));
}

#[test]
fn every_pod_setting_of_a_pipeline_is_in_these_objects() {
    let mut pipeline = example(1);
    let spec = json!({"workers": {
        "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "nodeSelector": {"pool": "private"},
        "tolerations": [{"key": "pool", "operator": "Equal", "value": "private", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["encrypted"]}]}]}}},
        "priorityClassName": "high",
        "serviceAccountName": "mesh",
        "imagePullSecrets": [{"name": "registry"}],
        "podLabels": {"team": "crm", "app.kubernetes.io/name": "not-this"},
        "podAnnotations": {"sidecar.istio.io/inject": "true", "lethe.dev/config": "not-this"}}});
    let whole = serde_json::to_value(&pipeline.spec).unwrap();
    let mut whole: BTreeMap<String, serde_json::Value> = serde_json::from_value(whole).unwrap();
    whole.insert("workers".to_owned(), spec["workers"].clone());
    pipeline.spec = serde_json::from_value::<ProfilePipelineSpec>(json!(whole)).unwrap();
    assert_matches_file("workload-of-its-own.yaml", &objects(&pipeline));
}
