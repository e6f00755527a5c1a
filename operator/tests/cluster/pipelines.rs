//! What the operator makes of a ProfilePipeline.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    control_plane::wait_until,
    temp_namespace::{TempNamespace, condition},
};

/// The DataStores and the pipeline of the streaming example.
pub const STREAMING: [&str; 2] =
    [include_str!("../../../examples/streaming/store.yaml"), include_str!("../../../examples/streaming/pipeline.yaml")];

/// The pipeline of that example.
pub const PIPELINE: &str = "profilepipeline/profiles";
/// The Deployment of its workers.
pub const WORKERS: &str = "deployment/profiles-worker";
const BUDGET: &str = "poddisruptionbudget/profiles-worker";

/// Creates the Secret with the keys of the streaming example.
pub fn create_keys(namespace: &TempNamespace) {
    namespace.create_secret("lethe-keys", "lethe.dev/keys", &[("root", "x")]);
}

/// Applies the streaming example with two replicas.
pub fn apply_streaming(namespace: &TempNamespace) {
    create_keys(namespace);
    namespace.apply(STREAMING[0]);
    namespace.apply(&STREAMING[1].replace("\nspec:\n", "\nspec:\n  replicas: 2\n"));
}

fn message(object: &Value) -> String {
    condition(object, "Ready")["message"].as_str().unwrap().to_owned()
}

#[test]
fn everything_is_applied_in_seconds_and_a_reconcile_without_a_change_writes_nothing() {
    let namespace = TempNamespace::new();
    let operator = namespace.operator();
    operator.wait_for_log("leading");
    let started = Instant::now();
    apply_streaming(&namespace);
    namespace.wait_for(PIPELINE, |pipeline| condition(pipeline, "Applied")["status"] == "True");
    let took = started.elapsed();
    println!("everything applied in {:.1} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let workers = namespace.wait_for(WORKERS, |workers| !workers.is_null());
    let uid = namespace.get(PIPELINE)["metadata"]["uid"].clone();
    for kind in ["deployment", "serviceaccount", "service", "networkpolicy"] {
        let object = namespace.get(&format!("{kind}/profiles-worker"));
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], uid, "{kind}");
    }
    let pod = &workers["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "localhost/lethe-worker:1");
    assert_eq!(pod["automountServiceAccountToken"], false);
    // A reconcile after the controller manager's last write to the Deployment leaves nothing to
    // write.
    namespace.wait_for_reason(PIPELINE, "WorkersNotReady");
    namespace.wait_for(WORKERS, |workers| workers["status"]["unavailableReplicas"] == 2);
    operator.wait_for_reconciles("ProfilePipeline", 1);
    let before = namespace.writes();
    namespace.request_reconcile(PIPELINE, "1");
    namespace.wait_for(PIPELINE, |pipeline| pipeline["status"]["lastHandledReconcileAt"] == "1");
    // Two scheduled reconciles of the pipeline and of each of its stores write nothing, either.
    operator.wait_for_reconciles("ProfilePipeline", 2);
    operator.wait_for_reconciles("DataStore", 2 * namespace.list("datastore", "").len());
    let after = namespace.writes();
    let of_pipeline = |write: &&String| !write.contains("datastores/status");
    let new: Vec<&String> = after[before.len()..].iter().filter(of_pipeline).collect();
    let events: Vec<&String> = new.iter().copied().filter(|write| write.contains("events")).collect();
    assert_eq!(events, Vec::<&String>::new());
    assert_eq!(new.len(), 1, "the status that answers the request, and nothing else: {new:?}");
    assert_eq!(namespace.refused(), Vec::<Value>::new());
}

#[test]
fn a_change_by_hand_is_reverted_and_an_annotation_of_others_is_kept() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    apply_streaming(&namespace);
    namespace.wait_for(WORKERS, |workers| !workers.is_null());
    namespace.patch(WORKERS, &json!({"spec": {"replicas": 7}, "metadata": {"annotations": {"theirs": "yes"}}}));
    namespace.wait_for(WORKERS, |workers| {
        workers["spec"]["replicas"] == 2 && workers["metadata"]["annotations"]["theirs"] == "yes"
    });
    let service = namespace.get("service/profiles-worker")["metadata"]["uid"].clone();
    namespace.delete_without_waiting("service/profiles-worker");
    namespace.wait_for("service/profiles-worker", |other| !other.is_null() && other["metadata"]["uid"] != service);
}

#[test]
fn an_invalid_edit_keeps_the_last_valid_workload_and_the_status_names_the_mistake() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    apply_streaming(&namespace);
    let valid = namespace.wait_for(WORKERS, |workers| !workers.is_null());
    namespace.patch(PIPELINE, &json!({"spec": {"keys": {"storeRef": {"name": "gone"}}}}));
    let pipeline = namespace.wait_for_reason(PIPELINE, "StoreNotFound");
    assert_eq!(condition(&pipeline, "Stalled")["status"], "True");
    assert_eq!(condition(&pipeline, "Applied")["status"], "False");
    assert!(message(&pipeline).contains("there is no DataStore gone"));
    assert_eq!(namespace.get(WORKERS)["spec"], valid["spec"]);
    // The missing store may be created later.
    let gone = STREAMING[0].split("---\n").find(|part| part.contains("cassandra:")).unwrap();
    let name = gone.lines().find_map(|line| line.trim().strip_prefix("name: ")).unwrap();
    namespace.apply(&gone.replace(&format!("name: {name}"), "name: gone"));
    let other = namespace.wait_for(WORKERS, |workers| workers["spec"] != valid["spec"]);
    let config = |workers: &Value| workers["spec"]["template"]["metadata"]["annotations"]["lethe.dev/config"].clone();
    assert_ne!(config(&other), config(&valid));
}

#[test]
fn a_changed_secret_rolls_the_workers_and_one_that_is_not_for_lethe_is_refused() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    apply_streaming(&namespace);
    let checksum =
        |workers: &Value| workers["spec"]["template"]["metadata"]["annotations"]["lethe.dev/secrets"].clone();
    let first = checksum(&namespace.wait_for(WORKERS, |workers| !workers.is_null()));
    namespace.patch("secret/lethe-keys", &json!({"stringData": {"master-2": "y"}}));
    namespace.wait_for(WORKERS, |workers| checksum(workers) != first);
    namespace.delete("secret/lethe-keys");
    namespace.wait_for_reason(PIPELINE, "SecretNotFound");
    namespace.create_secret("lethe-keys", "Opaque", &[("root", "x")]);
    namespace.request_reconcile(PIPELINE, "1");
    let pipeline = namespace.wait_for_reason(PIPELINE, "SecretNotAllowed");
    assert!(message(&pipeline).contains("lethe.dev/allow"));
}

#[test]
fn an_object_of_another_owner_is_not_adopted() {
    let namespace = TempNamespace::new();
    let labels = json!({"app": "theirs"});
    let pod = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "theirs", "image": "theirs"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "profiles-worker"},
        "spec": {"selector": {"matchLabels": labels}, "template": pod}});
    namespace.apply(&deployment.to_string());
    let theirs = namespace.get(WORKERS);
    let _operator = namespace.operator();
    apply_streaming(&namespace);
    let pipeline = namespace.wait_for_reason(PIPELINE, "NameConflict");
    assert!(message(&pipeline).contains("Deployment profiles-worker"));
    assert_eq!(namespace.get(WORKERS)["spec"], theirs["spec"]);
    assert_eq!(namespace.get("service/profiles-worker"), Value::Null);
    namespace.delete(WORKERS);
    namespace.request_reconcile(PIPELINE, "1");
    namespace.wait_for(PIPELINE, |pipeline| condition(pipeline, "Applied")["status"] == "True");
}

#[test]
fn suspending_and_scaling_keep_the_plan_and_the_last_three_plans_are_kept() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    apply_streaming(&namespace);
    namespace.wait_for(WORKERS, |workers| workers["spec"]["replicas"] == 2);
    namespace.wait_for(BUDGET, |budget| !budget.is_null());
    namespace.scale(PIPELINE, 1);
    namespace.wait_for(WORKERS, |workers| workers["spec"]["replicas"] == 1);
    namespace.wait_for(BUDGET, Value::is_null);
    namespace.patch(PIPELINE, &json!({"spec": {"suspend": true}}));
    namespace.wait_for_reason(PIPELINE, "Suspended");
    assert_eq!(namespace.get(WORKERS)["spec"]["replicas"], 0);
    let plans = || namespace.list("configmap", "lethe.dev/pipeline=profiles");
    assert_eq!(plans().len(), 1, "neither changes the plan");
    for revision in 1..=4 {
        // Kubernetes knows the age of a ConfigMap to the second: the next one is made in a later
        // second.
        let created = |plan: &Value| plan["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
        let newest: jiff::Timestamp = plans().iter().map(created).max().unwrap();
        wait_until(|| match jiff::Timestamp::now().as_second() - newest.as_second() {
            1.. => Ok(()),
            _ => Err(format!("the clock stays at {newest}")),
        });
        let before = namespace.get(WORKERS);
        namespace.patch(PIPELINE, &json!({"spec": {"revision": revision}}));
        namespace.wait_for(WORKERS, |workers| workers["spec"]["template"] != before["spec"]["template"]);
    }
    namespace.request_reconcile(PIPELINE, "1");
    namespace.wait_for(PIPELINE, |pipeline| pipeline["status"]["lastHandledReconcileAt"] == "1");
    assert_eq!(plans().len(), 3);
}

#[test]
fn a_pipeline_that_can_t_run_in_a_cluster_is_refused_and_a_namespace_is_deleted_without_a_hang() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    create_keys(&namespace);
    namespace.apply(include_str!("../../../examples/laptop/store.yaml"));
    let laptop = include_str!("../../../examples/laptop/pipeline.yaml");
    namespace.apply(&laptop.replacen("name: profiles\n", "name: laptop\n", 1));
    namespace.wait_for_reason("profilepipeline/laptop", "NotForClusters");
    namespace.apply(STREAMING[0]);
    namespace.apply(STREAMING[1]);
    namespace.wait_for(WORKERS, |workers| !workers.is_null());
    namespace.delete_whole(Duration::from_secs(60));
}
