//! `lint` and `plan` explain manifests before a run.

use std::fs;

use serde_json::Value;

use crate::{Folder, LAPTOP};

#[test]
fn lint_finds_nothing_in_the_examples_and_names_the_place_of_a_mistake() {
    let folder = Folder::new();
    folder.ok(&["keys", "create", "lethe-keys"]);
    for example in ["laptop", "randomuser", "faker", "people-csv", "clickstream"] {
        let manifests = format!("{LAPTOP}/../{example}");
        folder.ok(&["lint", "-f", &manifests, "-f", "lethe-keys.yaml"]);
    }
    let pipeline = fs::read_to_string(format!("{LAPTOP}/pipeline.yaml")).unwrap();
    fs::write(folder.path().join("bad.yaml"), pipeline.replace("storeRef: {name: store}", "storeRef: {name: absent}"))
        .unwrap();
    let output = folder.run(&["lint", "-f", "bad.yaml", "-f", &format!("{LAPTOP}/store.yaml"), "--output", "json"]);
    assert_eq!(output.status.code(), Some(3));
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = findings.as_array().unwrap().iter().find(|finding| finding["severity"] == "Error").unwrap();
    assert_eq!(error["file"], "bad.yaml");
    assert!(error["line"].is_u64() && error["fix"].is_string());
    fs::write(folder.path().join("none.yaml"), "kind: [\n").unwrap();
    let output = folder.run(&["lint", "-f", "none.yaml"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("none.yaml:"));
}

#[test]
fn lint_strict_makes_a_warning_an_error() {
    let folder = Folder::new();
    // Without the Secret there is a warning that it was not seen.
    assert!(folder.ok(&["lint", "-f", LAPTOP]).contains("warning["));
    assert_eq!(folder.run(&["lint", "-f", LAPTOP, "--strict"]).status.code(), Some(3));
}

#[test]
fn plan_shows_every_field_in_every_sink() {
    let folder = Folder::new();
    let text = folder.ok(&["plan", "-f", LAPTOP]);
    assert!(text.lines().any(|line| line.starts_with("/email") && line.contains("sealed")), "{text}");
    let plan = folder.json(&["plan", "-f", LAPTOP, "default/profiles"]);
    let sinks = plan["sinks"].as_array().unwrap().len();
    assert!(plan["lines"].as_array().unwrap().iter().all(|line| line["fates"].as_array().unwrap().len() == sinks));
    assert_eq!(folder.fails(&["plan", "-f", LAPTOP, "absent"]).0, 2);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was made");
}

#[test]
fn what_kubectl_gives_back_and_files_of_other_systems_are_read() {
    let folder = Folder::new();
    let read = |name: &str| fs::read_to_string(format!("{LAPTOP}/{name}")).unwrap();
    let (pipeline, store) = (read("pipeline.yaml"), read("store.yaml"));
    let server =
        "metadata:\n  uid: 0b5f\n  generation: 3\n  managedFields: [{manager: kubectl, fieldsV1: {\"f:spec\": {}}}]\n";
    let item = |text: &str| {
        let text = text.replace("metadata:\n", server);
        let lines: String = text.lines().map(|line| format!("  {line}\n")).collect();
        format!("-\n{lines}  status: {{observedGeneration: 3}}\n")
    };
    assert!(pipeline.contains("\nmetadata:\n") && !item(&pipeline).contains("metadata:\n    name"));
    let got = format!(
        "apiVersion: v1\nkind: List\nmetadata: {{resourceVersion: \"\"}}\nitems:\n{}{}",
        item(&pipeline),
        item(&store)
    );
    let odd = format!("\u{feff}# only a comment\n---\n---\n{store}\n...\n---\n{pipeline}").replace('\n', "\r\n");
    for (name, text) in [("got.yaml", got), ("odd.yaml", odd)] {
        fs::write(folder.path().join(name), text).unwrap();
        let answer = folder.ok(&["lint", "-f", name]);
        assert!(answer.contains("0 errors") && answer.contains("1 pipeline, 1 store"), "{name}: {answer}");
    }
}
