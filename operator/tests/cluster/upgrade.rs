//! A new version of Lethe: a few pipelines roll at a time, and the others wait until the pods of
//! those are ready.

use serde_json::Value;

use crate::{
    control_plane::wait_until,
    fake_worker::{FakeWorker, mark_ready, status, wait_for_pods},
    pipelines::{STREAMING, create_keys},
    temp_namespace::{TempNamespace, condition},
};

const PIPELINES: usize = 7;
/// The most pipelines that roll at a time.
const AT_ONCE: usize = 5;

fn name(number: usize) -> String {
    format!("p{number}")
}

/// Returns the pipelines whose Deployment has this image.
fn with_image(namespace: &TempNamespace, image: &str) -> Vec<usize> {
    let deployments = namespace.list("deployment", "");
    let has_image = |number: &usize| {
        let own = format!("{}-worker", name(*number));
        deployments.iter().any(|deployment| {
            deployment["metadata"]["name"] == own.as_str()
                && deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image
        })
    };
    (0..PIPELINES).filter(has_image).collect()
}

/// Waits until so many Deployments have this image. Returns their pipelines.
#[track_caller]
fn wait_for_image(namespace: &TempNamespace, image: &str, count: usize) -> Vec<usize> {
    wait_until(|| {
        let found = with_image(namespace, image);
        if found.len() == count { Ok(found) } else { Err(format!("{found:?} have {image}, not {count}")) }
    })
}

fn wait_until_ready(namespace: &TempNamespace, number: usize) {
    namespace.wait_for_reason(&format!("profilepipeline/{}", name(number)), "WorkersReady");
}

#[test]
fn five_pipelines_roll_at_a_time_and_the_others_report_that_they_wait() {
    let namespace = TempNamespace::new();
    create_keys(&namespace);
    namespace.apply(STREAMING[0]);
    for number in 0..PIPELINES {
        namespace.apply(&STREAMING[1].replace("name: profiles\n", &format!("name: {}\n", name(number))));
    }
    let image = |tag: u8| format!("localhost/lethe-worker:{tag}");
    let operator_of = |tag: u8| {
        let image = image(tag);
        namespace.operator_with(namespace.plane.server(), &["--look-interval", "5", "--worker-image", &image])
    };
    let old = operator_of(1);
    let worker = FakeWorker::new(status(0));
    let start_pod = |number: usize| mark_ready(&namespace, &wait_for_pods(&namespace, &name(number), 1)[0], &worker);
    for number in 0..PIPELINES {
        start_pod(number);
        wait_until_ready(&namespace, number);
    }
    assert_eq!(old.stop(), Some(0));

    let new = operator_of(2);
    let rolling = wait_for_image(&namespace, &image(2), AT_ONCE);
    let waiting: Vec<usize> = (0..PIPELINES).filter(|number| !rolling.contains(number)).collect();
    for number in &waiting {
        let pipeline = namespace.wait_for_reason(&format!("profilepipeline/{}", name(*number)), "RolloutQueued");
        assert_eq!(condition(&pipeline, "Ready")["status"], "True", "the old pods run");
        assert_eq!(condition(&pipeline, "Reconciling")["status"], "True");
    }
    // Reconciles of all of them change nothing about it.
    new.wait_for_reconciles("ProfilePipeline", PIPELINES);
    assert_eq!(with_image(&namespace, &image(2)), rolling);

    // The deletion of a pipeline that rolls frees its place for another.
    let (deleted, rolling) = rolling.split_first().unwrap();
    namespace.delete(&format!("profilepipeline/{}", name(*deleted)));
    wait_until(|| {
        let found = with_image(&namespace, &image(2));
        let is_taken = waiting.iter().any(|number| found.contains(number));
        is_taken.then_some(()).ok_or_else(|| "no other pipeline rolls".to_owned())
    });

    // A ready pod of the new version replaces the old one.
    for number in rolling {
        start_pod(*number);
        wait_until_ready(&namespace, *number);
    }
    wait_for_image(&namespace, &image(2), PIPELINES - 1);
    for number in &waiting {
        start_pod(*number);
        wait_until_ready(&namespace, *number);
    }
    assert_eq!(namespace.refused(), Vec::<Value>::new());
}
