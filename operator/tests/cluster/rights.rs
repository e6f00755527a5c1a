//! What the operator may do is what it does: none of its rights is missing, none is too many.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    crew::{Worker, pods, run, status},
    house::{House, Room, condition, rights},
    pipelines::{PIPELINE, STREAMING, WORKERS, patch, streaming},
};

/// API group, resource, verb.
type Right = (String, String, String);

/// The rights of `deploy/rbac.yaml`, one by one.
fn given() -> BTreeSet<Right> {
    let documents = serde_yaml::Deserializer::from_str(Box::leak(rights().into_boxed_str()));
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

/// What an operator did, as the audit log has it.
fn used(room: &Room) -> BTreeSet<Right> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let uses = room.asked().into_iter().filter(|event| event["objectRef"]["resource"].is_string()).map(|event| {
        let of = &event["objectRef"];
        let resource = match of["subresource"].as_str() {
            Some(subresource) => format!("{}/{subresource}", text(&of["resource"])),
            None => text(&of["resource"]),
        };
        (text(&of["apiGroup"]), resource, text(&event["verb"]))
    });
    uses.collect()
}

/// What a server-side apply makes needs the right to create, and is told as a patch.
fn is_of_apply((_, resource, verb): &Right) -> bool {
    verb == "create" && !matches!(resource.as_str(), "events" | "leases")
}

#[test]
fn every_right_is_used_and_none_is_missing() {
    let room = Room::new();
    let operator = room.operator();
    operator.until_it_says("leading");
    // Everything that a pipeline can become, and ceases to be.
    room.kubectl(&["create", "configmap", "schemas", "--from-literal=profile={\"type\": \"object\"}"]);
    streaming(&room);
    let pods = pods(&room, "profiles", 2);
    let worker = Worker::new(status(1));
    run(&room, &pods[0], &worker);
    room.until(PIPELINE, |pipeline| pipeline["status"]["workers"]["answered"] == 1);
    for replicas in [7, 8] {
        // The second time the same Event is told again.
        patch(&room, WORKERS, &json!({"spec": {"replicas": replicas}}));
        room.until(WORKERS, |workers| workers["spec"]["replicas"] == 2);
    }
    for revision in 1..=4 {
        let before = room.get(WORKERS);
        patch(&room, PIPELINE, &json!({"spec": {"revision": revision}}));
        room.until(WORKERS, |workers| workers["spec"]["template"] != before["spec"]["template"]);
    }
    patch(&room, PIPELINE, &json!({"spec": {"replicas": 1, "workers": {"serviceAccountName": "default"}}}));
    room.until("poddisruptionbudget/profiles-worker", Value::is_null);
    room.until("serviceaccount/profiles-worker", Value::is_null);
    assert_eq!(operator.stop(), Some(0));

    let (given, used) = (given(), used(&room));
    let too_many: Vec<&Right> = given.difference(&used).filter(|right| !is_of_apply(right)).collect();
    assert_eq!(too_many, Vec::<&Right>::new(), "rights that nothing uses");
    assert_eq!(used.difference(&given).collect::<Vec<_>>(), Vec::<&Right>::new(), "what was done without a right");
    assert_eq!(room.refused(), Vec::<Value>::new());
}

#[test]
fn without_the_right_to_create_a_kind_nothing_of_that_kind_comes_and_the_status_says_why() {
    std::thread::scope(|scope| {
        for (group, resource, _) in given().into_iter().filter(is_of_apply) {
            scope.spawn(move || {
                // The right is a line of its own for this one.
                let all = rights();
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
                let room = Room::of(House::shared(), &(lines.join("\n") + "\n"));
                let _operator = room.operator();
                streaming(&room);
                let told = room.until_ready_says(PIPELINE, "Refused");
                let message = condition(&told, "Ready")["message"].as_str().unwrap().to_owned();
                assert!(message.contains(&resource), "{resource}: {message}");
                assert!(room.refused().iter().all(|event| event["objectRef"]["resource"] == resource.as_str()));
            });
        }
    });
}

#[test]
fn a_list_of_namespaces_is_watched_and_no_other() {
    let (first, second, third) = (Room::new(), Room::new(), Room::new());
    let account = format!("--serviceaccount={}:lethe-operator", first.namespace);
    let role = format!("--clusterrole=lethe-operator-{}", first.namespace);
    second.kubectl(&["create", "rolebinding", "watched-from-afar", &role, &account]);
    let operator = first.operator_with(first.house.server(), &["--namespace", &second.namespace]);
    for room in [&first, &second, &third] {
        streaming(room);
    }
    for room in [&first, &second] {
        room.until(WORKERS, |workers| !workers.is_null());
        room.until(PIPELINE, |pipeline| condition(pipeline, "Applied")["status"] == "True");
    }
    assert_eq!(third.get(PIPELINE)["status"], Value::Null);
    assert_eq!(third.get(WORKERS), Value::Null);
    let (_, metrics) = operator.get("/metrics");
    for line in ["reconciles_total{kind=\"ProfilePipeline\",outcome=\"success\"}", "queue{kind=\"ProfilePipeline\"} 0"]
    {
        assert!(metrics.contains(&format!("lethe_operator_{line}")), "{line} is not in {metrics}");
    }
    assert_eq!(first.refused(), Vec::<Value>::new());
}

#[test]
fn what_lies_in_another_namespace_is_out_of_reach() {
    let (room, other) = (Room::new(), Room::new());
    other.kubectl(&["create", "secret", "generic", "lethe-keys", "--type=lethe.dev/keys", "--from-literal=root=x"]);
    other.apply(STREAMING[0]);
    let _operator = room.operator();
    // The same names as those in the other namespace; and one that tries to leave its own.
    room.apply(STREAMING[1]);
    let told = room.until_ready_says(PIPELINE, "StoreNotFound");
    assert!(condition(&told, "Ready")["message"].as_str().unwrap().contains("in this namespace"));
    let tries = STREAMING[1]
        .replace("storeRef: {name: events}", &format!("storeRef: {{name: events, namespace: {}}}", other.namespace));
    assert_ne!(tries, STREAMING[1]);
    let refused = room.house.run(&["-n", &room.namespace, "apply", "-f", "-"], Some(&tries));
    assert!(!refused.status.success(), "a reference has no namespace");
    let elsewhere = room.asked().into_iter().find(|event| {
        let namespace = event["objectRef"]["namespace"].as_str();
        namespace.is_some_and(|namespace| namespace != room.namespace)
    });
    assert_eq!(elsewhere, None);
}

#[test]
fn a_secret_that_was_not_made_for_lethe_is_not_read_by_naming_it() {
    let room = Room::new();
    let operator = room.operator();
    let secret = "zxqvbyjktoken";
    for (name, kind) in [("token", "Opaque"), ("helm", "helm.sh/release.v1"), ("login", "kubernetes.io/basic-auth")] {
        let value = format!("--from-literal=username={secret}");
        room.kubectl(&["create", "secret", "generic", name, &format!("--type={kind}"), &value]);
        room.apply(&STREAMING[0].replace(
            "    bootstrapServers: [\"127.0.0.1:19092\"]\n",
            &format!("    bootstrapServers: [\"127.0.0.1:19092\"]\n    credentials: {{mechanism: Plain, secretRef: {{name: {name}}}}}\n"),
        ));
        let told = room.until("datastore/events", |store| {
            store["status"]["observedGeneration"] == store["metadata"]["generation"]
                && condition(store, "Ready")["reason"] == "SecretNotAllowed"
        });
        assert!(condition(&told, "Ready")["message"].as_str().unwrap().contains(name));
    }
    room.apply(&STREAMING[1].replace("secretRef: {name: lethe-keys}", "secretRef: {name: token}"));
    room.until_ready_says(PIPELINE, "SecretNotAllowed");
    assert_eq!(room.get(WORKERS), Value::Null, "no pod mounts it");
    assert!(!operator.said().contains(secret));
    assert!(!room.kubectl(&["get", "datastores,profilepipelines,configmaps,events", "-o", "json"]).contains(secret));
}
