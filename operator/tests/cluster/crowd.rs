//! Many pipelines: seen soon, held in little memory, and left alone while nothing changes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::Room;

/// All are looked at within so long after the operator leads.
const SEEN: Duration = Duration::from_secs(60);
/// The most memory that it takes, in MiB.
const MEMORY: u64 = 150;

/// How many there are, and how long nothing is to be written.
const PIPELINES: usize = 60;
const IDLE: Duration = Duration::from_secs(15);

const STORES: &str = include_str!("../../../examples/streaming/store.yaml");
const PIPELINE: &str = include_str!("../../../examples/streaming/pipeline.yaml");

#[test]
fn many_pipelines_are_seen_soon_and_idle_ones_are_not_written() {
    let room = Room::new();
    room.kubectl(&["create", "secret", "generic", "lethe-keys", "--type=lethe.dev/keys", "--from-literal=root=x"]);
    room.apply(STORES);
    // Suspended: a pod that nobody runs tells nothing.
    let one = PIPELINE.replace("\nspec:\n", "\nspec:\n  suspend: true\n");
    let all: Vec<String> =
        (0..PIPELINES).map(|number| one.replace("name: profiles\n", &format!("name: p{number}\n"))).collect();
    room.apply(&all.join("\n---\n"));
    let operator = room.operator();
    operator.until_it_says("leading");
    let started = Instant::now();
    let seen = |pipeline: &Value| pipeline["status"]["observedGeneration"] == pipeline["metadata"]["generation"];
    let seen_by = loop {
        let all = room.get("profilepipelines");
        let count = all["items"].as_array().unwrap().iter().filter(|pipeline| seen(pipeline)).count();
        if count == PIPELINES {
            break started.elapsed();
        }
        assert!(started.elapsed() < SEEN, "{count} of {PIPELINES} are seen after {:?}", started.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    };
    let suspended = |pipeline: &Value| crate::house::condition(pipeline, "Ready")["reason"] == "Suspended";
    let started = Instant::now();
    while !room.get("profilepipelines")["items"].as_array().unwrap().iter().all(suspended) {
        assert!(started.elapsed() < Duration::from_secs(240), "not all are applied");
        std::thread::sleep(Duration::from_millis(500));
    }
    let applied_by = seen_by + started.elapsed();
    // What the controller manager says of their Deployments has settled.
    std::thread::sleep(Duration::from_secs(5));
    let before = room.writes().len();
    std::thread::sleep(IDLE);
    let writes = room.writes();
    let of_pipelines: Vec<&String> = writes[before..].iter().filter(|write| !write.contains("datastores")).collect();
    let memory = operator.memory();
    println!(
        "crowd: {PIPELINES} pipelines, all seen {:.1} s after the start, all applied after {:.1} s, {} writes in {} idle \
         seconds, {memory} MiB",
        seen_by.as_secs_f64(),
        applied_by.as_secs_f64(),
        of_pipelines.len(),
        IDLE.as_secs()
    );
    assert_eq!(of_pipelines, Vec::<&String>::new());
    assert!(memory < MEMORY, "{memory} MiB");
    assert_eq!(room.refused(), Vec::<String>::new());
}
