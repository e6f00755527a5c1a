//! The status of a pipeline sums up what its workers report.

use serde_json::Value;

use crate::{
    control_plane::block_on,
    fake_worker::{FakeWorker, mark_ready, status, wait_for_pods},
    pipelines::{PIPELINE, apply_streaming},
    temp_namespace::{TempNamespace, condition},
};

fn of_workers(pipeline: &Value, name: &str) -> Value {
    pipeline["status"]["workers"][name].clone()
}

/// Returns the cells that `kubectl get` prints for the pipeline.
fn printed_cells(namespace: &TempNamespace) -> Vec<Value> {
    let path = format!("/apis/lethe.dev/v1alpha1/namespaces/{}/profilepipelines/profiles", namespace.name);
    let as_table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let request = http::Request::get(path).header("accept", as_table).body(Vec::new()).unwrap();
    let table: Value = block_on(namespace.plane.client().request(request)).unwrap();
    table["rows"][0]["cells"].as_array().unwrap().clone()
}

#[test]
fn reports_of_workers_are_added_up_and_written_when_their_first_two_digits_change() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    apply_streaming(&namespace);
    let (first, second) = (FakeWorker::new(status(120_000)), FakeWorker::new(status(3_456)));
    let pods = wait_for_pods(&namespace, "profiles", 2);
    mark_ready(&namespace, &pods[0], &first);
    let pipeline = namespace.wait_for(PIPELINE, |pipeline| of_workers(pipeline, "answered") == 1);
    assert_eq!(pipeline["status"]["replicas"], 1);
    mark_ready(&namespace, &pods[1], &second);
    let pipeline = namespace.wait_for(PIPELINE, |pipeline| of_workers(pipeline, "answered") == 2);
    assert_eq!(of_workers(&pipeline, "lag"), 120_000, "123,456 with two digits");
    assert_eq!(of_workers(&pipeline, "eventsPerMinute"), 300);
    let letters = (of_workers(&pipeline, "deadLetters"), of_workers(&pipeline, "deadLettersPerMinute"));
    assert_eq!(letters, (6.into(), 60.into()));
    assert_eq!(of_workers(&pipeline, "rejected")[0]["reason"], "SchemaViolation");
    assert_eq!(of_workers(&pipeline, "unclassified")[0], "/note/*");
    let ready = condition(&namespace.wait_for_reason(PIPELINE, "WorkersReady"), "Ready");
    assert_eq!((&ready["status"], &ready["message"]), (&"True".into(), &"2 of 2 ready".into()));
    let cells = printed_cells(&namespace);
    assert!(cells.contains(&"True".into()) && cells.contains(&120_000.into()), "{cells:?}");

    // A change of the third digit is not written.
    let writes = || namespace.writes().iter().filter(|write| write.contains("profilepipelinesstatus")).count();
    let before = writes();
    second.set_status(status(4_001));
    second.wait_for_requests(2);
    assert_eq!(writes(), before);
    second.set_status(status(14_001));
    namespace.wait_for(PIPELINE, |pipeline| of_workers(pipeline, "lag") == 130_000);
}

#[test]
fn a_group_that_two_clusters_share_is_reported() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    apply_streaming(&namespace);
    let mut report = status(7);
    report["source"]["strangers"] = 2.into();
    let worker = FakeWorker::new(report.clone());
    mark_ready(&namespace, &wait_for_pods(&namespace, "profiles", 2)[0], &worker);
    let pipeline = namespace.wait_for(PIPELINE, |pipeline| condition(pipeline, "GroupShared")["status"] == "True");
    assert!(condition(&pipeline, "GroupShared")["message"].as_str().unwrap().contains("2 members"));
    namespace.wait_for_event("StrangersInGroup");
    report["source"]["strangers"] = 0.into();
    worker.set_status(report);
    namespace.wait_for(PIPELINE, |pipeline| condition(pipeline, "GroupShared").is_null());
}

#[test]
fn a_foreign_pod_with_the_labels_of_a_worker_is_not_queried() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    apply_streaming(&namespace);
    let (ours, theirs) = (FakeWorker::new(status(7)), FakeWorker::new(status(1_000_000)));
    let pods = wait_for_pods(&namespace, "profiles", 2);
    let labels =
        serde_json::json!({"lethe.dev/pipeline": "profiles", "app.kubernetes.io/managed-by": "lethe-operator"});
    let foreign = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "foreign", "labels": labels},
        "spec": {"containers": [{"name": "theirs", "image": "theirs"}]}});
    namespace.apply(&foreign.to_string());
    mark_ready(&namespace, "foreign", &theirs);
    mark_ready(&namespace, &pods[0], &ours);
    let pipeline = namespace.wait_for(PIPELINE, |pipeline| of_workers(pipeline, "answered") == 1);
    assert_eq!(of_workers(&pipeline, "lag"), 7);
    ours.wait_for_requests(2);
    assert_eq!(theirs.requests(), 0);
}
