//! What happens to the control plane, or is in it already. Each has one of its own: others would be disturbed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    house::{House, Room, awaited, condition, rights},
    pipelines::{PIPELINE, STREAMING, WORKERS, keys, patch, streaming},
};

/// A CRD whose schema lets everything pass, as one of a later version may let pass what this one can't read.
fn loosened(house: &House, crd: &str) -> String {
    let mut crd: Value = serde_json::from_str(&house.kubectl(&["get", "crd", crd, "-o", "json"], None)).unwrap();
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"] = anything;
    schema.as_object_mut().unwrap().remove("x-kubernetes-validations");
    crd.as_object_mut().unwrap().remove("status");
    crd["metadata"].as_object_mut().unwrap().remove("managedFields");
    // Paths of the scale subresource must be in the schema.
    crd["spec"]["versions"][0]["subresources"].as_object_mut().unwrap().remove("scale");
    crd.to_string()
}

#[test]
fn kinds_that_come_late_an_object_that_can_t_be_read_and_an_api_server_that_goes_and_comes() {
    let house = House::own();
    let room = Room::of(house.clone(), &rights());
    let mut operator = room.operator();
    operator.until_it_says("not in this cluster yet");
    house.install();
    let crd = loosened(&house, "profilepipelines.lethe.dev");
    house.kubectl(&["replace", "-f", "-"], Some(&crd));
    let unreadable = json!({"apiVersion": "lethe.dev/v1alpha1", "kind": "ProfilePipeline",
        "metadata": {"name": "of-a-later-version"}, "spec": {"replicas": "many", "fields": {}}});
    // The schema takes a moment to be served.
    awaited(|| house.tried(&["-n", &room.namespace, "create", "-f", "-"], Some(&unreadable.to_string())));
    streaming(&room);
    room.until(PIPELINE, |pipeline| condition(pipeline, "Applied")["status"] == "True");
    operator.until_it_says("an object can't be read");
    assert_eq!(room.get("profilepipeline/of-a-later-version")["status"], Value::Null);

    house.lose_the_api_server();
    house.bring_back();
    // It may have lost its Lease meanwhile; then it ends, to be started again.
    if !operator.runs() {
        operator = room.operator();
    }
    patch(&room, PIPELINE, &json!({"spec": {"replicas": 3}}));
    room.until(WORKERS, |workers| workers["spec"]["replicas"] == 3);
    assert_eq!(room.refused(), Vec::<Value>::new());
    assert_eq!(operator.stop(), Some(0));
}

#[test]
fn a_namespace_goes_while_its_stores_are_away() {
    let room = Room::new();
    let _operator = room.operator();
    keys(&room);
    // An address of nobody, that never answers.
    room.apply(&STREAMING[0].replace("127.0.0.1:19092", "203.0.113.1:9092"));
    room.apply(STREAMING[1]);
    room.until(WORKERS, |workers| !workers.is_null());
    let started = Instant::now();
    room.kubectl(&["delete", "namespace", &room.namespace, "--timeout=60s"]);
    assert!(started.elapsed() < Duration::from_secs(60));
}
