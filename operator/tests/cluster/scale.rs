//! Many pipelines: reconciled soon, held in little memory, and not written while nothing changes.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::api::{DynamicObject, PostParams};
use serde_json::Value;

use crate::{
    control_plane::{block_on, documents},
    fake_worker::{FakeWorker, mark_ready, status, wait_for_pods},
    pipelines::{STREAMING, create_keys},
    temp_namespace::{TempNamespace, condition},
};

/// Every pipeline is reconciled within this time after the operator leads.
const RECONCILED: Duration = Duration::from_secs(60);
/// The most memory that the operator takes, in MiB.
const MEMORY: u64 = 150;

/// How many pipelines there are. `LETHE_SOAK=1`, as set by `make soak`, asks for a thousand of them
/// and for ten minutes.
struct Scale {
    /// Pipelines without any change.
    idle: usize,
    /// Pipelines whose workers report a new status each second.
    lively: usize,
    /// How long writes are counted.
    watched: Duration,
}

fn scale() -> Scale {
    if std::env::var_os("LETHE_SOAK").is_some() {
        Scale { idle: 980, lively: 20, watched: Duration::from_secs(600) }
    } else {
        Scale { idle: 56, lively: 4, watched: Duration::from_secs(15) }
    }
}

#[test]
fn many_pipelines_are_reconciled_soon_and_idle_ones_are_not_written() {
    let namespace = TempNamespace::new();
    create_keys(&namespace);
    namespace.apply(STREAMING[0]);
    let Scale { idle, lively, watched } = scale();
    let count = idle + lively;
    let named = |text: &str, number: usize| text.replace("name: profiles\n", &format!("name: p{number}\n"));
    let suspended = STREAMING[1].replace("\nspec:\n", "\nspec:\n  suspend: true\n");
    // The lively ones come first.
    let manifests = (0..count).map(|number| named(if number < lively { STREAMING[1] } else { &suspended }, number));
    let objects: Vec<DynamicObject> = manifests
        .flat_map(|manifest| documents(&manifest))
        .map(|object| serde_json::from_value(object).unwrap())
        .collect();
    let api = namespace.plane.api("profilepipeline", Some(&namespace.name));
    let params = PostParams::default();
    let created = futures::stream::iter(&objects).map(|object| api.create(&params, object)).buffer_unordered(8);
    block_on(created.try_collect::<Vec<_>>()).unwrap();
    let operator = namespace.operator_with(namespace.plane.server(), &[]);
    operator.wait_for_log("leading");
    let started = Instant::now();
    let wait_for_all = |what: &str, within: Duration, is_met: &dyn Fn(&Value) -> bool| loop {
        let pipelines = namespace.list("profilepipeline", "");
        let met = pipelines.iter().filter(|pipeline| is_met(pipeline)).count();
        if met == count {
            break started.elapsed();
        }
        assert!(started.elapsed() < within, "{met} of {count} are {what} after {:?}", started.elapsed());
        std::thread::sleep(Duration::from_millis(500));
    };
    let is_observed = |pipeline: &Value| pipeline["status"]["observedGeneration"] == pipeline["metadata"]["generation"];
    let observed_after = wait_for_all("observed", RECONCILED, &is_observed);
    let is_applied = |pipeline: &Value| condition(pipeline, "Applied")["status"] == "True";
    let applied_after = wait_for_all("applied", Duration::from_secs(400), &is_applied);

    let workers: Vec<FakeWorker> = (0..lively).map(|_| FakeWorker::new(status(0))).collect();
    for (number, worker) in workers.iter().enumerate() {
        mark_ready(&namespace, &wait_for_pods(&namespace, &format!("p{number}"), 1)[0], worker);
    }
    wait_for_all("suspended or with a worker's report", Duration::from_secs(500), &|pipeline| {
        condition(pipeline, "Ready")["reason"] == "Suspended" || pipeline["status"]["workers"]["answered"] == 1
    });
    // The controller manager has no more to write about their Deployments after five seconds.
    std::thread::sleep(Duration::from_secs(5));
    let before = namespace.writes().len();
    let began = Instant::now();
    for second in 1.. {
        if began.elapsed() >= watched {
            break;
        }
        for worker in &workers {
            worker.set_status(status(second * 1_000));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let writes = namespace.writes();
    let of_pipelines: Vec<&String> = writes[before..].iter().filter(|write| !write.contains("datastores")).collect();
    let is_lively = |write: &str| (0..lively).any(|number| write == format!("update profilepipelinesstatus p{number}"));
    let of_idle: Vec<&&String> = of_pipelines.iter().filter(|write| !is_lively(write)).collect();
    let most = (0..lively)
        .map(|number| of_pipelines.iter().filter(|write| write.ends_with(&format!(" p{number}"))).count())
        .max()
        .unwrap_or(0);
    let memory = operator.memory();
    assert_eq!(operator.stop(), Some(0));
    let again = namespace.operator_with(namespace.plane.server(), &[]);
    again.wait_for_log("leading");
    let restarted = Instant::now();
    while again.reconciles("ProfilePipeline") < count {
        let reconciled = again.reconciles("ProfilePipeline");
        assert!(restarted.elapsed() < RECONCILED, "{reconciled} of {count} after {:?}", restarted.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    let reconciled_after = restarted.elapsed();
    println!(
        "scale: {count} pipelines, all observed {:.1} s after the start, all applied after {:.1} s; in {} s then {} \
         writes of {idle} idle ones, and at most {most} of each of {lively} whose workers report a new status each \
         second; {memory} MiB; all reconciled {:.1} s after a restart",
        observed_after.as_secs_f64(),
        applied_after.as_secs_f64(),
        watched.as_secs(),
        of_idle.len(),
        reconciled_after.as_secs_f64(),
    );
    assert_eq!(of_idle, Vec::<&&String>::new());
    assert!(most as u64 <= watched.as_secs() / 60 + 1, "{most} writes of one pipeline");
    assert!(memory < MEMORY, "{memory} MiB");
    assert_eq!(namespace.refused(), Vec::<Value>::new());
}
