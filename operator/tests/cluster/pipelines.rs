//! What a ProfilePipeline becomes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::{Room, condition};

pub const STREAMING: [&str; 2] =
    [include_str!("../../../examples/streaming/store.yaml"), include_str!("../../../examples/streaming/pipeline.yaml")];

/// The name of the pipeline of that example, and of its keys.
pub const PIPELINE: &str = "profilepipeline/profiles";
pub const WORKERS: &str = "deployment/profiles-worker";

pub fn keys(room: &Room) {
    room.kubectl(&["create", "secret", "generic", "lethe-keys", "--type=lethe.dev/keys", "--from-literal=root=x"]);
}

pub fn streaming(room: &Room) {
    keys(room);
    room.apply(STREAMING[0]);
    room.apply(&STREAMING[1].replace("\nspec:\n", "\nspec:\n  replicas: 2\n"));
}

pub fn patch(room: &Room, what: &str, patch: &Value) {
    room.kubectl(&["patch", what, "--type=merge", "-p", &patch.to_string()]);
}

#[test]
fn everything_is_applied_in_seconds_and_what_is_as_it_should_be_is_not_written_again() {
    let room = Room::new();
    let operator = room.operator();
    operator.until_it_says("leading");
    let started = Instant::now();
    streaming(&room);
    room.until(PIPELINE, |pipeline| condition(pipeline, "Applied")["status"] == "True");
    let took = started.elapsed();
    println!("everything applied in {:.1} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(5), "{took:?}");
    let workers = room.until(WORKERS, |workers| !workers.is_null());
    let uid = room.get(PIPELINE)["metadata"]["uid"].clone();
    for kind in ["deployment", "serviceaccount", "service", "networkpolicy"] {
        let object = room.get(&format!("{kind}/profiles-worker"));
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], uid, "{kind}");
    }
    let pod = &workers["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "localhost/lethe-worker:1");
    assert_eq!(pod["automountServiceAccountToken"], false);
    // The controller manager's writes settle; then nothing is left to be written.
    room.until_ready_says(PIPELINE, "WorkersNotReady");
    std::thread::sleep(Duration::from_secs(2));
    let before = room.writes();
    room.kubectl(&["annotate", PIPELINE, "lethe.dev/reconcile-requested-at=1"]);
    room.until(PIPELINE, |pipeline| pipeline["status"]["lastHandledReconcileAt"] == "1");
    // Two looks by schedule, too.
    std::thread::sleep(Duration::from_secs(12));
    let after = room.writes();
    let stores = |write: &&String| !write.contains("datastores/status");
    let new: Vec<&String> = after[before.len()..].iter().filter(stores).collect();
    let stores: Vec<&String> = new.iter().copied().filter(|write| write.contains("events")).collect();
    assert_eq!(stores, Vec::<&String>::new());
    assert_eq!(new.len(), 1, "the status that answers the request, and nothing else: {new:?}");
    assert_eq!(room.refused(), Vec::<Value>::new());
}

#[test]
fn what_somebody_changes_by_hand_is_put_back_and_what_others_add_stays() {
    let room = Room::new();
    let _operator = room.operator();
    streaming(&room);
    room.until(WORKERS, |workers| !workers.is_null());
    patch(&room, WORKERS, &json!({"spec": {"replicas": 7}, "metadata": {"annotations": {"theirs": "yes"}}}));
    room.until(WORKERS, |workers| {
        workers["spec"]["replicas"] == 2 && workers["metadata"]["annotations"]["theirs"] == "yes"
    });
    room.kubectl(&["delete", "service", "profiles-worker"]);
    room.until("service/profiles-worker", |service| !service.is_null());
}

#[test]
fn a_bad_edit_leaves_the_last_good_workload_and_says_what_is_wrong() {
    let room = Room::new();
    let _operator = room.operator();
    streaming(&room);
    let good = room.until(WORKERS, |workers| !workers.is_null());
    patch(&room, PIPELINE, &json!({"spec": {"keys": {"storeRef": {"name": "gone"}}}}));
    let told = room.until_ready_says(PIPELINE, "StoreNotFound");
    assert_eq!(condition(&told, "Stalled")["status"], "True");
    assert_eq!(condition(&told, "Applied")["status"], "False");
    assert!(condition(&told, "Ready")["message"].as_str().unwrap().contains("there is no DataStore gone"));
    assert_eq!(room.get(WORKERS)["spec"], good["spec"]);
    // What is missing may come later.
    let gone = STREAMING[0].split("---\n").find(|part| part.contains("cassandra:")).unwrap();
    let name = gone.lines().find_map(|line| line.trim().strip_prefix("name: ")).unwrap();
    room.apply(&gone.replace(&format!("name: {name}"), "name: gone"));
    let other = room.until(WORKERS, |workers| workers["spec"] != good["spec"]);
    let config = |workers: &Value| workers["spec"]["template"]["metadata"]["annotations"]["lethe.dev/config"].clone();
    assert_ne!(config(&other), config(&good));
}

#[test]
fn a_secret_that_changes_rolls_the_workers_and_one_that_is_not_for_lethe_is_refused() {
    let room = Room::new();
    let _operator = room.operator();
    streaming(&room);
    let checksum =
        |workers: &Value| workers["spec"]["template"]["metadata"]["annotations"]["lethe.dev/secrets"].clone();
    let first = checksum(&room.until(WORKERS, |workers| !workers.is_null()));
    patch(&room, "secret/lethe-keys", &json!({"stringData": {"master-2": "y"}}));
    room.until(WORKERS, |workers| checksum(workers) != first);
    room.kubectl(&["delete", "secret", "lethe-keys"]);
    room.until_ready_says(PIPELINE, "SecretNotFound");
    room.kubectl(&["create", "secret", "generic", "lethe-keys", "--from-literal=root=x"]);
    room.kubectl(&["annotate", PIPELINE, "lethe.dev/reconcile-requested-at=1"]);
    let told = room.until_ready_says(PIPELINE, "SecretNotAllowed");
    assert!(condition(&told, "Ready")["message"].as_str().unwrap().contains("lethe.dev/allow"));
}

#[test]
fn an_object_of_somebody_else_is_not_adopted() {
    let room = Room::new();
    room.kubectl(&["create", "deployment", "profiles-worker", "--image=theirs"]);
    let theirs = room.get(WORKERS);
    let _operator = room.operator();
    streaming(&room);
    let told = room.until_ready_says(PIPELINE, "NameConflict");
    assert!(condition(&told, "Ready")["message"].as_str().unwrap().contains("Deployment profiles-worker"));
    assert_eq!(room.get(WORKERS)["spec"], theirs["spec"]);
    assert_eq!(room.get("service/profiles-worker"), Value::Null);
    room.kubectl(&["delete", "deployment", "profiles-worker"]);
    room.kubectl(&["annotate", PIPELINE, "lethe.dev/reconcile-requested-at=1"]);
    room.until(PIPELINE, |pipeline| condition(pipeline, "Applied")["status"] == "True");
}

#[test]
fn suspending_and_scaling_keep_the_plan_and_the_last_three_plans_are_kept() {
    let room = Room::new();
    let _operator = room.operator();
    streaming(&room);
    room.until(WORKERS, |workers| workers["spec"]["replicas"] == 2);
    room.until("poddisruptionbudget/profiles-worker", |budget| !budget.is_null());
    room.kubectl(&["scale", PIPELINE, "--replicas=1"]);
    room.until(WORKERS, |workers| workers["spec"]["replicas"] == 1);
    room.until("poddisruptionbudget/profiles-worker", Value::is_null);
    patch(&room, PIPELINE, &json!({"spec": {"suspend": true}}));
    room.until_ready_says(PIPELINE, "Suspended");
    assert_eq!(room.get(WORKERS)["spec"]["replicas"], 0);
    let configs = |room: &Room| {
        let all = room.get("configmaps");
        let all = all["items"].as_array().unwrap().clone();
        all.iter().filter(|map| map["metadata"]["labels"]["lethe.dev/pipeline"] == "profiles").count()
    };
    assert_eq!(configs(&room), 1, "none of this changed the plan");
    for revision in 1..=4 {
        let before = room.get(WORKERS);
        patch(&room, PIPELINE, &json!({"spec": {"revision": revision}}));
        room.until(WORKERS, |workers| workers["spec"]["template"] != before["spec"]["template"]);
        // Ages of ConfigMaps are told apart by the second.
        std::thread::sleep(Duration::from_millis(1100));
    }
    room.kubectl(&["annotate", PIPELINE, "lethe.dev/reconcile-requested-at=1"]);
    room.until(PIPELINE, |pipeline| pipeline["status"]["lastHandledReconcileAt"] == "1");
    assert_eq!(configs(&room), 3);
}

#[test]
fn what_can_t_run_in_a_cluster_is_told_and_a_namespace_goes_without_a_hang() {
    let room = Room::new();
    let _operator = room.operator();
    keys(&room);
    room.apply(include_str!("../../../examples/laptop/store.yaml"));
    room.apply(include_str!("../../../examples/laptop/pipeline.yaml"));
    let listed = room.get("profilepipelines");
    let name = listed["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    room.until_ready_says(&format!("profilepipeline/{name}"), "NotForClusters");
    room.apply(STREAMING[0]);
    room.apply(STREAMING[1]);
    room.until(WORKERS, |workers| !workers.is_null());
    let started = Instant::now();
    room.kubectl(&["delete", "namespace", &room.namespace, "--timeout=60s"]);
    assert!(started.elapsed() < Duration::from_secs(60));
}
