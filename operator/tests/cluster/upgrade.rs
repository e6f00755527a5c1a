//! A new version of Lethe comes: a few pipelines roll, the others wait until those are seen to run.

use std::time::Duration;

use serde_json::Value;

use crate::{
    crew::{Worker, pods, run, status},
    house::{Room, awaited, condition},
    pipelines::{STREAMING, keys},
};

const PIPELINES: usize = 7;
/// Pipelines that may roll at a time.
const AT_ONCE: usize = 5;

fn name(number: usize) -> String {
    format!("p{number}")
}

/// The pipelines whose Deployment has an image.
fn with_image(room: &Room, image: &str) -> Vec<usize> {
    let all = room.get("deployments");
    let has = |number: &usize| {
        let own = format!("{}-worker", name(*number));
        all["items"].as_array().unwrap().iter().any(|deployment| {
            deployment["metadata"]["name"] == own.as_str()
                && deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image
        })
    };
    (0..PIPELINES).filter(has).collect()
}

#[track_caller]
fn until_with_image(room: &Room, image: &str, count: usize) -> Vec<usize> {
    awaited(|| {
        let found = with_image(room, image);
        if found.len() == count { Ok(found) } else { Err(format!("{found:?} have {image}, and {count} should")) }
    })
}

fn is_ready(room: &Room, number: usize) {
    room.until_ready_says(&format!("profilepipeline/{}", name(number)), "WorkersReady");
}

#[test]
fn five_pipelines_roll_at_a_time_and_the_others_say_that_they_wait() {
    let room = Room::new();
    keys(&room);
    room.apply(STREAMING[0]);
    for number in 0..PIPELINES {
        room.apply(&STREAMING[1].replace("name: profiles\n", &format!("name: {}\n", name(number))));
    }
    let image = |tag: u8| format!("localhost/lethe-worker:{tag}");
    let version = |tag: u8| {
        let image = image(tag);
        room.operator_with(room.house.server(), &["--look-interval", "5", "--worker-image", &image])
    };
    let old = version(1);
    let worker = Worker::new(status(0));
    let runs = |number: usize| run(&room, &pods(&room, &name(number), 1)[0], &worker);
    for number in 0..PIPELINES {
        runs(number);
        is_ready(&room, number);
    }
    assert_eq!(old.stop(), Some(0));

    let _new = version(2);
    let rolling = until_with_image(&room, &image(2), AT_ONCE);
    let waiting: Vec<usize> = (0..PIPELINES).filter(|number| !rolling.contains(number)).collect();
    for number in &waiting {
        let told = room.until_ready_says(&format!("profilepipeline/{}", name(*number)), "RolloutQueued");
        assert_eq!(condition(&told, "Ready")["status"], "True", "the old ones run");
        assert_eq!(condition(&told, "Reconciling")["status"], "True");
    }
    // Looks at them come and go meanwhile.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(with_image(&room, &image(2)), rolling);

    // One that is deleted while it rolls gives its place to another.
    let (gone, rolling) = rolling.split_first().unwrap();
    room.kubectl(&["delete", "profilepipeline", &name(*gone)]);
    awaited(|| {
        let given = with_image(&room, &image(2));
        let somebody = waiting.iter().any(|number| given.contains(number));
        somebody.then_some(()).ok_or_else(|| "its place is not given away".to_owned())
    });

    // A pod of the new version takes the place of the old one, and is ready.
    for number in rolling {
        runs(*number);
        is_ready(&room, *number);
    }
    until_with_image(&room, &image(2), PIPELINES - 1);
    for number in &waiting {
        runs(*number);
        is_ready(&room, *number);
    }
    assert_eq!(room.refused(), Vec::<Value>::new());
}
