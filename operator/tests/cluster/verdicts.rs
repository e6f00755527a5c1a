//! The loader accepts and refuses the same manifests as a real API server with the CRDs.

use std::fs;

use futures::StreamExt;
use kube::Client;
use lethe_crds::load::read_text;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::control_plane::{ControlPlane, block_on, documents, repository};

/// Manifests of which every value is changed.
const MANIFESTS: [&str; 5] = [
    include_str!("../../../examples/streaming/pipeline.yaml"),
    include_str!("../../../examples/streaming/store.yaml"),
    include_str!("../../../examples/laptop/pipeline.yaml"),
    include_str!("../../../examples/laptop/store.yaml"),
    include_str!("../../../examples/people-csv/pipeline.yaml"),
];

/// Returns the values that are tried in place of a value.
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

/// Returns the manifest with each of its values changed in each way, or removed: what was done, and
/// the whole manifest.
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
        // All items have one schema: the first and the last are enough.
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

#[test]
fn the_loader_and_the_api_server_agree_on_every_change_of_a_manifest() {
    let client = ControlPlane::shared().client();
    let mut cases = Vec::new();
    for document in MANIFESTS.into_iter().flat_map(documents) {
        cases.push(("unchanged".to_owned(), document.clone()));
        cases.extend(changed(&document));
    }
    let count = cases.len();
    let requests = futures::stream::iter(cases).map(|(what, manifest)| {
        let client = client.clone();
        async move { (refusal(&client, &manifest).await, what, manifest) }
    });
    let verdicts: Vec<_> = block_on(requests.buffer_unordered(8).collect());
    let (mut differences, mut refused) = (Vec::new(), 0);
    for (server, what, manifest) in verdicts {
        let loader = read_text("m.json", &manifest.to_string()).err().map(|error| error.to_string());
        refused += usize::from(server.is_some());
        if loader.is_some() != server.is_some() {
            let kind = &manifest["kind"];
            differences.push(format!("{kind} {what}: the loader has {loader:?}, the server {server:?}"));
        }
    }
    println!("verdicts: {count} manifests, {refused} refused, by both");
    assert!(differences.is_empty(), "{} of {count}:\n{}", differences.len(), differences.join("\n"));
}

/// Returns why the API server refuses a manifest, if it does.
async fn refusal(client: &Client, manifest: &Value) -> Option<String> {
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

/// Recorded verdicts are of kubectl, which reads YAML in its own way. One process tries all
/// manifests of a verdict at once: kubectl goes on after a refusal, and names the file of each.
#[test]
fn the_recorded_verdicts_are_those_of_this_api_server() {
    let recorded = fs::read_to_string(repository().join("crds/testdata/verdicts.yaml")).unwrap();
    let recorded: Recorded = serde_yaml::from_str(&recorded).unwrap();
    let plane = ControlPlane::shared();
    let files = tempfile::tempdir().unwrap();
    let mut differences = Vec::new();
    for verdict in ["Accepted", "Refused"] {
        let folder = files.path().join(verdict);
        fs::create_dir(&folder).unwrap();
        let cases = recorded.cases.iter().filter(|case| case.server == verdict).enumerate();
        let cases: Vec<_> = cases.map(|(number, case)| (folder.join(format!("{number}.yaml")), case)).collect();
        let mut all = vec!["apply", "--dry-run=server", "--validate=strict"];
        for (path, case) in &cases {
            fs::write(path, &case.manifest).unwrap();
            all.extend(["-f", path.to_str().unwrap()]);
        }
        let together = plane.kubectl(&all);
        let errors = String::from_utf8_lossy(&together.stderr);
        let is_unanimous = match verdict {
            "Accepted" => together.status.success(),
            _ => together.stdout.is_empty(),
        };
        for (path, case) in &cases {
            let path = path.to_str().unwrap();
            // A refusal that does not name its file says nothing about the others.
            if is_unanimous && (verdict == "Accepted" || errors.contains(path)) {
                continue;
            }
            let alone = plane.kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", path]);
            if alone.status.success() != (verdict == "Accepted") {
                let error = String::from_utf8_lossy(&alone.stderr).into_owned();
                differences.push(format!("{}: not {verdict}: {error}", case.name));
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new());
}
