//! What workers say is in the status of their pipeline.

use serde_json::Value;

use crate::{
    crew::{Worker, pods, run, status},
    house::{Room, condition},
    pipelines::{PIPELINE, streaming},
};

fn of_workers(pipeline: &Value, what: &str) -> Value {
    pipeline["status"]["workers"][what].clone()
}

#[test]
fn what_workers_say_is_added_up_and_written_when_two_digits_of_it_changed() {
    let room = Room::new();
    let _operator = room.operator();
    streaming(&room);
    let (first, second) = (Worker::new(status(120_000)), Worker::new(status(3_456)));
    let pods = pods(&room, "profiles", 2);
    run(&room, &pods[0], &first);
    let told = room.until(PIPELINE, |pipeline| of_workers(pipeline, "answered") == 1);
    assert_eq!(told["status"]["replicas"], 1);
    run(&room, &pods[1], &second);
    let told = room.until(PIPELINE, |pipeline| of_workers(pipeline, "answered") == 2);
    assert_eq!(of_workers(&told, "lag"), 120_000, "123,456 with two digits");
    assert_eq!(of_workers(&told, "eventsPerMinute"), 300);
    assert_eq!((of_workers(&told, "deadLetters"), of_workers(&told, "deadLettersPerMinute")), (6.into(), 60.into()));
    assert_eq!(of_workers(&told, "rejected")[0]["reason"], "SchemaViolation");
    assert_eq!(of_workers(&told, "unclassified")[0], "/note/*");
    let ready = condition(&room.until_ready_says(PIPELINE, "WorkersReady"), "Ready");
    assert_eq!((&ready["status"], &ready["message"]), (&"True".into(), &"2 of 2 ready".into()));
    let row = room.kubectl(&["get", PIPELINE, "--no-headers"]);
    assert!(row.contains("True") && row.contains("120000"), "{row}");

    // The change of a third digit is nobody's business.
    let writes = || room.writes().iter().filter(|write| write.contains("profilepipelinesstatus")).count();
    let before = writes();
    second.says(status(4_001));
    second.until_asked(2);
    assert_eq!(writes(), before);
    second.says(status(14_001));
    room.until(PIPELINE, |pipeline| of_workers(pipeline, "lag") == 130_000);
}

#[test]
fn two_clusters_in_one_group_are_told() {
    let room = Room::new();
    let _operator = room.operator();
    streaming(&room);
    let mut says = status(7);
    says["source"]["strangers"] = 2.into();
    let worker = Worker::new(says.clone());
    run(&room, &pods(&room, "profiles", 2)[0], &worker);
    let told = room.until(PIPELINE, |pipeline| condition(pipeline, "GroupShared")["status"] == "True");
    assert!(condition(&told, "GroupShared")["message"].as_str().unwrap().contains("2 members"));
    let events = || room.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"]);
    assert!(events().contains("StrangersInGroup"), "{}", events());
    says["source"]["strangers"] = 0.into();
    worker.says(says);
    room.until(PIPELINE, |pipeline| condition(pipeline, "GroupShared").is_null());
}

#[test]
fn a_pod_that_only_bears_the_labels_is_not_asked() {
    let room = Room::new();
    let _operator = room.operator();
    streaming(&room);
    let (ours, theirs) = (Worker::new(status(7)), Worker::new(status(1_000_000)));
    let labels = "lethe.dev/pipeline=profiles,app.kubernetes.io/managed-by=lethe-operator";
    let ours_are = pods(&room, "profiles", 2);
    room.kubectl(&["run", "stranger", "--image=theirs", "--labels", labels]);
    run(&room, "stranger", &theirs);
    run(&room, &ours_are[0], &ours);
    let told = room.until(PIPELINE, |pipeline| of_workers(pipeline, "answered") == 1);
    assert_eq!(of_workers(&told, "lag"), 7);
    ours.until_asked(2);
    assert_eq!(theirs.asked(), 0);
}
