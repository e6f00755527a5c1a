//! The operator has the rights that it uses: none is missing, none is unused.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    control_plane::ControlPlane,
    fake_worker::{FakeWorker, mark_ready, status, wait_for_pods},
    pipelines::{PIPELINE, STREAMING, WORKERS, apply_streaming, create_keys},
    temp_namespace::{TempNamespace, condition, deployed_rbac},
};

/// API group, resource, verb.
type Right = (String, String, String);

/// Returns the rights of `deploy/rbac.yaml`, one by one.
fn granted() -> BTreeSet<Right> {
    let documents = serde_yaml::Deserializer::from_str(Box::leak(deployed_rbac().into_boxed_str()));
    let documents = documents.map(|document| Value::deserialize(document).unwrap());
    let rules = documents.flat_map(|document| document["rules"].as_array().cloned().unwrap_or_default());
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let mut all = BTreeSet::new();
    for rule in rules {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    all.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    all
}

/// Returns the rights that an operator has used, from the audit log.
fn used(namespace: &TempNamespace) -> BTreeSet<Right> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let uses =
        namespace.requests().into_iter().filter(|event| event["objectRef"]["resource"].is_string()).map(|event| {
            let of = &event["objectRef"];
            let resource = match of["subresource"].as_str() {
                Some(subresource) => format!("{}/{subresource}", text(&of["resource"])),
                None => text(&of["resource"]),
            };
            (text(&of["apiGroup"]), resource, text(&event["verb"]))
        });
    uses.collect()
}

/// Returns whether only a server-side apply uses this right: it needs the right to create, and the
/// audit log has it as a patch.
fn is_of_apply((_, resource, verb): &Right) -> bool {
    verb == "create" && !matches!(resource.as_str(), "events" | "leases")
}

#[test]
fn every_right_is_used_and_none_is_missing() {
    let namespace = TempNamespace::new();
    let operator = namespace.operator();
    operator.wait_for_log("leading");
    // Creates and removes every object that a pipeline can have.
    let schemas = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "schemas"},
        "data": {"profile": "{\"type\": \"object\"}"}});
    namespace.apply(&schemas.to_string());
    apply_streaming(&namespace);
    let pods = wait_for_pods(&namespace, "profiles", 2);
    let worker = FakeWorker::new(status(1));
    mark_ready(&namespace, &pods[0], &worker);
    namespace.wait_for(PIPELINE, |pipeline| pipeline["status"]["workers"]["answered"] == 1);
    for replicas in [7, 8] {
        // The second change updates the Event of the first.
        namespace.patch(WORKERS, &json!({"spec": {"replicas": replicas}}));
        namespace.wait_for(WORKERS, |workers| workers["spec"]["replicas"] == 2);
    }
    for revision in 1..=4 {
        let before = namespace.get(WORKERS);
        namespace.patch(PIPELINE, &json!({"spec": {"revision": revision}}));
        namespace.wait_for(WORKERS, |workers| workers["spec"]["template"] != before["spec"]["template"]);
    }
    namespace.patch(PIPELINE, &json!({"spec": {"replicas": 1, "workers": {"serviceAccountName": "default"}}}));
    namespace.wait_for("poddisruptionbudget/profiles-worker", Value::is_null);
    namespace.wait_for("serviceaccount/profiles-worker", Value::is_null);
    assert_eq!(operator.stop(), Some(0));

    let (granted, used) = (granted(), used(&namespace));
    let unused: Vec<&Right> = granted.difference(&used).filter(|right| !is_of_apply(right)).collect();
    assert_eq!(unused, Vec::<&Right>::new(), "unused rights");
    assert_eq!(used.difference(&granted).collect::<Vec<_>>(), Vec::<&Right>::new(), "requests without a right");
    assert_eq!(namespace.refused(), Vec::<Value>::new());
}

#[test]
fn without_the_right_to_create_a_kind_none_is_created_and_the_status_says_why() {
    std::thread::scope(|scope| {
        for (group, resource, _) in granted().into_iter().filter(is_of_apply) {
            scope.spawn(move || {
                // The right to create this resource gets a rule of its own, without `create`.
                let all = deployed_rbac();
                let others = format!("resources: [{resource}]");
                let mut lines: Vec<String> = all.lines().map(str::to_owned).collect();
                let at = lines
                    .iter()
                    .position(|line| line.contains("resources: [") && line.contains(&resource) && !line.contains('/'))
                    .unwrap();
                let verbs = lines[at + 1].replace(", create", "");
                let rest = lines[at].replace(&format!(", {resource}"), "").replace(&format!("{resource}, "), "");
                if rest == lines[at] {
                    lines[at + 1] = verbs;
                } else {
                    lines[at] = rest;
                    let own = [format!("  - apiGroups: [\"{group}\"]"), format!("    {others}"), verbs];
                    let before = lines.iter().take(at).rposition(|line| line.contains("apiGroups")).unwrap();
                    lines.splice(before..before, own);
                }
                let namespace = TempNamespace::with_rbac(ControlPlane::shared(), &(lines.join("\n") + "\n"));
                let _operator = namespace.operator();
                apply_streaming(&namespace);
                let pipeline = namespace.wait_for_reason(PIPELINE, "Refused");
                let message = condition(&pipeline, "Ready")["message"].as_str().unwrap().to_owned();
                assert!(message.contains(&resource), "{resource}: {message}");
                assert!(namespace.refused().iter().all(|event| event["objectRef"]["resource"] == resource.as_str()));
            });
        }
    });
}

#[test]
fn only_the_listed_namespaces_are_watched() {
    let (first, second, third) = (TempNamespace::new(), TempNamespace::new(), TempNamespace::new());
    second.bind_operator_of(&first.name, "watched-from-afar");
    let operator = first.operator_with(first.plane.server(), &["--namespace", &second.name]);
    for namespace in [&first, &second, &third] {
        apply_streaming(namespace);
    }
    for namespace in [&first, &second] {
        namespace.wait_for(WORKERS, |workers| !workers.is_null());
        namespace.wait_for(PIPELINE, |pipeline| condition(pipeline, "Applied")["status"] == "True");
    }
    assert_eq!(third.get(PIPELINE)["status"], Value::Null);
    assert_eq!(third.get(WORKERS), Value::Null);
    let (_, metrics) = operator.http_get("/metrics");
    for line in ["reconciles_total{kind=\"ProfilePipeline\",outcome=\"success\"}", "queue{kind=\"ProfilePipeline\"} 0"]
    {
        assert!(metrics.contains(&format!("lethe_operator_{line}")), "{line} is not in {metrics}");
    }
    assert_eq!(first.refused(), Vec::<Value>::new());
}

#[test]
fn objects_of_another_namespace_are_out_of_reach() {
    let (namespace, other) = (TempNamespace::new(), TempNamespace::new());
    create_keys(&other);
    other.apply(STREAMING[0]);
    let _operator = namespace.operator();
    // It has the names of the objects in the other namespace.
    namespace.apply(STREAMING[1]);
    let pipeline = namespace.wait_for_reason(PIPELINE, "StoreNotFound");
    assert!(condition(&pipeline, "Ready")["message"].as_str().unwrap().contains("in this namespace"));
    let with_namespace = STREAMING[1]
        .replace("storeRef: {name: events}", &format!("storeRef: {{name: events, namespace: {}}}", other.name));
    assert_ne!(with_namespace, STREAMING[1]);
    assert!(namespace.try_apply(&with_namespace).is_err(), "a reference has no namespace");
    let elsewhere = namespace.requests().into_iter().find(|event| {
        let of = event["objectRef"]["namespace"].as_str();
        of.is_some_and(|of| of != namespace.name)
    });
    assert_eq!(elsewhere, None);
}

#[test]
fn a_secret_that_is_not_for_lethe_is_refused_whatever_names_it() {
    let namespace = TempNamespace::new();
    let operator = namespace.operator();
    let secret = "zxqvbyjktoken";
    for (name, kind) in [("token", "Opaque"), ("helm", "helm.sh/release.v1"), ("login", "kubernetes.io/basic-auth")] {
        let values = [("username", secret), ("password", secret)];
        namespace.create_secret(name, kind, &values);
        namespace.apply(&STREAMING[0].replace(
            "    bootstrapServers: [\"127.0.0.1:19092\"]\n",
            &format!("    bootstrapServers: [\"127.0.0.1:19092\"]\n    credentials: {{mechanism: Plain, secretRef: {{name: {name}}}}}\n"),
        ));
        let store = namespace.wait_for("datastore/events", |store| {
            store["status"]["observedGeneration"] == store["metadata"]["generation"]
                && condition(store, "Ready")["reason"] == "SecretNotAllowed"
        });
        assert!(condition(&store, "Ready")["message"].as_str().unwrap().contains(name));
    }
    namespace.apply(&STREAMING[1].replace("secretRef: {name: lethe-keys}", "secretRef: {name: token}"));
    namespace.wait_for_reason(PIPELINE, "SecretNotAllowed");
    assert_eq!(namespace.get(WORKERS), Value::Null, "no pod mounts it");
    assert!(!operator.log().contains(secret));
    assert!(!namespace.dump(&["datastore", "profilepipeline", "configmap", "event"]).contains(secret));
}
