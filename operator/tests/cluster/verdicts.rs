//! Laptop and cluster agree on what a manifest is: the loader gives the verdict of a real API server with the real
//! CRDs.

use std::sync::Arc;

use futures::StreamExt;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use lethe_crds::load::read_text;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::house::{House, root};

/// Manifests that are changed everywhere.
const MANIFESTS: [&str; 5] = [
    include_str!("../../../examples/streaming/pipeline.yaml"),
    include_str!("../../../examples/streaming/store.yaml"),
    include_str!("../../../examples/laptop/pipeline.yaml"),
    include_str!("../../../examples/laptop/store.yaml"),
    include_str!("../../../examples/people-csv/pipeline.yaml"),
];

/// What is tried in the place of a value.
fn others(value: &Value) -> Vec<Value> {
    let mut others = vec![Value::Null, json!({}), json!([]), json!(true), json!(7), json!("x")];
    match value {
        Value::String(text) => others.extend([
            json!(""),
            json!(format!("{text} ")),
            json!(text.to_uppercase()),
            json!("é".repeat(65)),
            json!("x".repeat(300)),
        ]),
        Value::Number(_) => others.extend([json!(-1), json!(0), json!(1_000_000_000_000_i64), json!(1.5)]),
        Value::Array(items) => {
            others.extend(items.first().map(|first| json!([first, first])));
            others.extend(items.first().map(|first| Value::Array(vec![first.clone(); 600])));
        }
        Value::Object(_) => {
            let mut more = value.clone();
            more["unknown"] = json!(1);
            others.push(more);
        }
        Value::Null | Value::Bool(_) => {}
    }
    others.retain(|other| other != value);
    others
}

/// A manifest with each of its values changed in each way, or taken away: where, and the whole.
fn changed(manifest: &Value) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    walk(&manifest["spec"], "/spec", &mut pointers);
    let mut all = Vec::new();
    for pointer in pointers {
        let here = manifest.pointer(&pointer).unwrap();
        for other in others(here) {
            let mut whole = manifest.clone();
            let shown: String = other.to_string().chars().take(40).collect();
            *whole.pointer_mut(&pointer).unwrap() = other;
            all.push((format!("{pointer} = {shown}"), whole));
        }
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let mut whole = manifest.clone();
        match whole.pointer_mut(parent).unwrap() {
            Value::Object(members) => drop(members.remove(&member.replace("~1", "/").replace("~0", "~"))),
            Value::Array(items) => drop(items.remove(member.parse().unwrap())),
            _ => unreachable!(),
        }
        all.push((format!("without {pointer}"), whole));
    }
    all
}

fn walk(value: &Value, at: &str, pointers: &mut Vec<String>) {
    pointers.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                walk(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), pointers);
            }
        }
        // Items are alike; the first and the last are enough.
        Value::Array(items) => {
            for number in
                [Some(0), items.len().checked_sub(1)].into_iter().flatten().filter(|number| *number < items.len())
            {
                let pointer = format!("{at}/{number}");
                if !pointers.contains(&pointer) {
                    walk(&items[number], &pointer, pointers);
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn a_manifest_that_is_changed_anywhere_has_one_verdict_on_a_laptop_and_in_a_cluster() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let house = House::shared();
    let kubeconfig = Kubeconfig::read_from(house.program().1).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let mut cases = Vec::new();
    for manifest in MANIFESTS {
        for document in serde_yaml::Deserializer::from_str(manifest) {
            let document = Value::deserialize(document).unwrap();
            cases.push(("unchanged".to_owned(), document.clone()));
            cases.extend(changed(&document));
        }
    }
    let count = cases.len();
    let asked = futures::stream::iter(cases).map(|(what, manifest)| {
        let client = client.clone();
        async move { (server(&client, &manifest).await, what, manifest) }
    });
    let answers: Vec<_> = asked.buffer_unordered(8).collect().await;
    let (mut differences, mut refused) = (Vec::new(), 0);
    for (server, what, manifest) in answers {
        let read = read_text("m.json", &manifest.to_string());
        let laptop = read.err().map(|error| error.to_string());
        refused += usize::from(server.is_some());
        if laptop.is_some() != server.is_some() {
            differences.push(format!("{} {what}: the laptop says {laptop:?}, the server {server:?}", manifest["kind"]));
        }
    }
    println!("verdicts: {count} manifests, {refused} refused, by both");
    assert!(differences.is_empty(), "{} of {count}:\n{}", differences.len(), differences.join("\n"));
}

/// Why the API server refuses a manifest, if it does.
async fn server(client: &Client, manifest: &Value) -> Option<String> {
    let kind = if manifest["kind"] == "DataStore" { "datastores" } else { "profilepipelines" };
    let uri = format!("/apis/lethe.dev/v1alpha1/namespaces/default/{kind}?dryRun=All&fieldValidation=Strict");
    let body = manifest.to_string().into_bytes();
    let request = http::Request::post(uri).header("content-type", "application/json").body(body).unwrap();
    match client.request::<Value>(request).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => Some(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    server: String,
    manifest: String,
}

#[test]
fn the_recorded_verdicts_are_those_of_this_api_server() {
    let recorded = std::fs::read_to_string(root().join("crds/testdata/verdicts.yaml")).unwrap();
    let recorded: Recorded = serde_yaml::from_str(&recorded).unwrap();
    let house = House::shared();
    let one = |case: &Case| {
        let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        let accepted = house.run(&arguments, Some(&case.manifest)).status.success();
        let verdict = if accepted { "Accepted" } else { "Refused" };
        (case.server != verdict).then(|| format!("{}: recorded {}, now {verdict}", case.name, case.server))
    };
    let next = Arc::new(std::sync::Mutex::new(recorded.cases.iter()));
    let take = || next.lock().unwrap().next();
    let mut differences = Vec::new();
    std::thread::scope(|scope| {
        let hands: Vec<_> =
            (0..4).map(|_| scope.spawn(|| std::iter::from_fn(take).filter_map(one).collect::<Vec<_>>())).collect();
        differences.extend(hands.into_iter().flat_map(|hand| hand.join().unwrap()));
    });
    assert_eq!(differences, Vec::<String>::new());
}
