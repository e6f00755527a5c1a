//! A control plane without the CRDs, with objects that can't be read, and without its API server;
//! and stores that don't answer.

use std::time::Duration;

use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::{
    control_plane::{ControlPlane, block_on, wait_until},
    pipelines::{PIPELINE, STREAMING, WORKERS, apply_streaming, create_keys},
    temp_namespace::{TempNamespace, condition, deployed_rbac},
};

/// Replaces a CRD by one that accepts any `spec`, as a later version may accept what this one can't
/// read.
fn accept_any_spec(plane: &ControlPlane, name: &str) {
    let api = plane.api("crd", None);
    let mut crd = serde_json::to_value(block_on(api.get(name)).unwrap()).unwrap();
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"] = anything;
    schema.as_object_mut().unwrap().remove("x-kubernetes-validations");
    crd.as_object_mut().unwrap().remove("status");
    crd["metadata"].as_object_mut().unwrap().remove("managedFields");
    // Paths of the scale subresource must be in the schema.
    crd["spec"]["versions"][0]["subresources"].as_object_mut().unwrap().remove("scale");
    let crd: DynamicObject = serde_json::from_value(crd).unwrap();
    block_on(api.replace(name, &PostParams::default(), &crd)).unwrap();
}

#[test]
fn late_crds_an_unreadable_object_and_an_api_server_that_restarts_are_survived() {
    let plane = ControlPlane::private();
    let namespace = TempNamespace::with_rbac(plane.clone(), &deployed_rbac());
    let mut operator = namespace.operator();
    operator.wait_for_log("CRDs of lethe.dev are not installed");
    plane.install_crds();
    accept_any_spec(&plane, "profilepipelines.lethe.dev");
    let unreadable = json!({"apiVersion": "lethe.dev/v1alpha1", "kind": "ProfilePipeline",
        "metadata": {"name": "of-a-later-version"}, "spec": {"replicas": "many", "fields": {}}});
    // The schema takes a moment to be served.
    let create = || plane.create(Some(&namespace.name), &unreadable.to_string());
    wait_until(|| create().map_err(|error| error.to_string()));
    apply_streaming(&namespace);
    namespace.wait_for(PIPELINE, |pipeline| condition(pipeline, "Applied")["status"] == "True");
    operator.wait_for_log("object failed to deserialize");
    assert_eq!(namespace.get("profilepipeline/of-a-later-version")["status"], Value::Null);

    plane.stop_api_server();
    plane.start_stopped();
    // An operator that has lost its Lease meanwhile exits, to be restarted.
    if !operator.is_running() {
        operator = namespace.operator();
    }
    namespace.patch(PIPELINE, &json!({"spec": {"replicas": 3}}));
    namespace.wait_for(WORKERS, |workers| workers["spec"]["replicas"] == 3);
    assert_eq!(namespace.refused(), Vec::<Value>::new());
    assert_eq!(operator.stop(), Some(0));
}

#[test]
fn a_namespace_is_deleted_while_its_stores_do_not_answer() {
    let namespace = TempNamespace::new();
    let _operator = namespace.operator();
    create_keys(&namespace);
    // An address that never answers: it is reserved for documentation.
    namespace.apply(&STREAMING[0].replace("127.0.0.1:19092", "203.0.113.1:9092"));
    namespace.apply(STREAMING[1]);
    namespace.wait_for(WORKERS, |workers| !workers.is_null());
    namespace.delete_whole(Duration::from_secs(60));
}
