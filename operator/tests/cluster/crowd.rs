//! Many pipelines: seen soon, held in little memory, and left alone while nothing changes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    crew::{Worker, pods, run, status},
    house::{Room, condition},
    process::Operator,
};

/// All are looked at within so long after the operator leads.
const SEEN: Duration = Duration::from_secs(60);
/// The most memory that it takes, in MiB.
const MEMORY: u64 = 150;

/// How it is tried: with `LETHE_SOAK=1`, as `make soak` has it, with a thousand pipelines for ten minutes.
struct Scale {
    /// Pipelines that nothing happens to.
    idle: usize,
    /// Pipelines whose workers say something new each time.
    lively: usize,
    /// How long they are watched.
    watched: Duration,
}

fn scale() -> Scale {
    if std::env::var_os("LETHE_SOAK").is_some() {
        Scale { idle: 980, lively: 20, watched: Duration::from_secs(600) }
    } else {
        Scale { idle: 56, lively: 4, watched: Duration::from_secs(15) }
    }
}

const STORES: &str = include_str!("../../../examples/streaming/store.yaml");
const PIPELINE: &str = include_str!("../../../examples/streaming/pipeline.yaml");

#[test]
fn many_pipelines_are_seen_soon_and_idle_ones_are_not_written() {
    let room = Room::new();
    room.kubectl(&["create", "secret", "generic", "lethe-keys", "--type=lethe.dev/keys", "--from-literal=root=x"]);
    room.apply(STORES);
    let Scale { idle, lively, watched } = scale();
    let count = idle + lively;
    let named = |text: &str, number: usize| text.replace("name: profiles\n", &format!("name: p{number}\n"));
    let suspended = PIPELINE.replace("\nspec:\n", "\nspec:\n  suspend: true\n");
    // The first ones have workers; a pod that nobody runs tells nothing.
    let all: Vec<String> =
        (0..count).map(|number| named(if number < lively { PIPELINE } else { &suspended }, number)).collect();
    for some in all.chunks(100) {
        room.house.kubectl(&["-n", &room.namespace, "create", "-f", "-"], Some(&some.join("\n---\n")));
    }
    let operator = room.operator_with(room.house.server(), &[]);
    operator.until_it_says("leading");
    let started = Instant::now();
    let until_all = |what: &str, within: Duration, is_so: &dyn Fn(&Value) -> bool| loop {
        let all = room.get("profilepipelines");
        let so = all["items"].as_array().unwrap().iter().filter(|pipeline| is_so(pipeline)).count();
        if so == count {
            break started.elapsed();
        }
        assert!(started.elapsed() < within, "{so} of {count} are {what} after {:?}", started.elapsed());
        std::thread::sleep(Duration::from_millis(500));
    };
    let seen = |pipeline: &Value| pipeline["status"]["observedGeneration"] == pipeline["metadata"]["generation"];
    let seen_by = until_all("seen", SEEN, &seen);
    let applied = |pipeline: &Value| condition(pipeline, "Applied")["status"] == "True";
    let applied_by = until_all("applied", Duration::from_secs(400), &applied);

    let workers: Vec<Worker> = (0..lively).map(|_| Worker::new(status(0))).collect();
    for (number, worker) in workers.iter().enumerate() {
        run(&room, &pods(&room, &format!("p{number}"), 1)[0], worker);
    }
    until_all("told of", Duration::from_secs(500), &|pipeline| {
        condition(pipeline, "Ready")["reason"] == "Suspended" || pipeline["status"]["workers"]["answered"] == 1
    });
    // What the controller manager says of their Deployments has settled.
    std::thread::sleep(Duration::from_secs(5));
    let before = room.writes().len();
    let began = Instant::now();
    for said in 1.. {
        if began.elapsed() >= watched {
            break;
        }
        for worker in &workers {
            worker.says(status(said * 1_000));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let writes = room.writes();
    let of_pipelines: Vec<&String> = writes[before..].iter().filter(|write| !write.contains("datastores")).collect();
    let is_lively = |write: &str| (0..lively).any(|number| write == format!("update profilepipelinesstatus p{number}"));
    let of_idle: Vec<&&String> = of_pipelines.iter().filter(|write| !is_lively(write)).collect();
    let most = (0..lively)
        .map(|number| of_pipelines.iter().filter(|write| write.ends_with(&format!(" p{number}"))).count())
        .max()
        .unwrap_or(0);
    let memory = operator.memory();
    assert_eq!(operator.stop(), Some(0));
    let again = room.operator_with(room.house.server(), &[]);
    again.until_it_says("leading");
    let restarted = Instant::now();
    while reconciled(&again) < count {
        assert!(restarted.elapsed() < SEEN, "{} of {count} after {:?}", reconciled(&again), restarted.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    let looked_at_by = restarted.elapsed();
    println!(
        "crowd: {count} pipelines, all seen {:.1} s after the start, all applied after {:.1} s; in {} s then {} writes of \
         {idle} idle ones, and at most {most} of each of {lively} whose workers say something new each second; {memory} MiB; all looked at again {:.1} s after a restart",
        seen_by.as_secs_f64(),
        applied_by.as_secs_f64(),
        watched.as_secs(),
        of_idle.len(),
        looked_at_by.as_secs_f64(),
    );
    assert_eq!(of_idle, Vec::<&&String>::new());
    assert!(most as u64 <= watched.as_secs() / 60 + 1, "{most} writes of one pipeline");
    assert!(memory < MEMORY, "{memory} MiB");
    assert_eq!(room.refused(), Vec::<Value>::new());
}

/// Reconciles of pipelines that an operator has ended well since its start.
fn reconciled(operator: &Operator) -> usize {
    let (_, metrics) = operator.get("/metrics");
    let of_success = "lethe_operator_reconciles_total{kind=\"ProfilePipeline\",outcome=\"success\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(of_success)?.parse().ok()).unwrap_or(0)
}
