#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// The smallest valid pipeline.
pub const PIPELINE: &str = "\
apiVersion: lethe.dev/v1alpha1
kind: ProfilePipeline
metadata:
  name: customers
spec:
  source: {kafka: {storeRef: {name: events}, topic: user_profiles}}
  event: {subject: {space: customers, id: /user_id}}
  keys: {secretRef: {name: lethe-keys}, storeRef: {name: profiles}}
  fields:
  - {path: /email, category: user.contact.email, protect: {encrypt: {}}}
  sinks:
  - {name: out, audience: Operational, records: Latest, embedded: {storeRef: {name: profiles}, table: profiles}}
";

const STORE: &str =
    "apiVersion: lethe.dev/v1alpha1\nkind: DataStore\nmetadata: {name: profiles}\nspec: {embedded: {path: p.db}}\n";

#[derive(Deserialize)]
struct Verdicts {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    server: Verdict,
    says: Option<String>,
    stricter: Option<String>,
    manifest: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Debug)]
enum Verdict {
    Accepted,
    Refused,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../testdata/verdicts.yaml");
    serde_yaml::from_str::<Verdicts>(text).unwrap().cases
}

fn mistakes(text: &str) -> Vec<Mistake> {
    read_text("m.yaml", text).map(|_| ()).map_or_else(|error| error.mistakes, |()| Vec::new())
}

fn shown(text: &str) -> String {
    mistakes(text).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_loader_gives_the_verdict_of_a_real_api_server() {
    let mut differences = String::new();
    for case in cases() {
        let wanted = if case.stricter.is_some() { Verdict::Refused } else { case.server };
        let found = mistakes(&case.manifest);
        let given = if found.is_empty() { Verdict::Accepted } else { Verdict::Refused };
        if given != wanted {
            writeln!(differences, "{}: {given:?}, server {:?} {:?} {found:?}", case.name, case.server, case.says)
                .unwrap();
        }
        if case.stricter.is_some() && case.server == Verdict::Refused {
            writeln!(differences, "{}: not stricter, the server refuses it, too", case.name).unwrap();
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn every_mistake_has_a_place_and_is_one_line() {
    for case in cases() {
        for mistake in mistakes(&case.manifest) {
            assert!(mistake.place.line.is_some(), "{}: {mistake}", case.name);
            assert!(mistake.place.document > 0, "{}: {mistake}", case.name);
            assert!(!mistake.to_string().contains('\n'), "{}: {mistake}", case.name);
        }
    }
}

#[test]
fn all_mistakes_of_all_documents_are_reported_at_once() {
    let text = format!("{PIPELINE}  revison: 1\n  replicas: -1\n---\na: [\n---\n{}", STORE.replace("path:", "paht:"));
    let found = shown(&text);
    assert_eq!(
        found,
        "m.yaml:13: spec.revison: is an unknown field; did you mean `revision`?\n\
         m.yaml:14: spec.replicas: -1 is out of range; write a number from 0 to 1000\n\
         m.yaml:17 (document 2): not YAML: did not find expected node content, while parsing a flow node\n\
         m.yaml:21 (document 3): spec.embedded.paht: is an unknown field; did you mean `path`?\n\
         m.yaml:21 (document 3): spec.embedded.path: is missing; add it: it is required"
    );
}

#[test]
fn a_broken_rule_is_reported_with_its_line_and_fix() {
    let text = PIPELINE.replace("{encrypt: {}}", "{keep: {}, hash: {}}");
    assert_eq!(
        shown(&text),
        "m.yaml:10: spec.fields[0].protect: give exactly one of keep, drop, redact, mask, hash, encrypt, generalize, \
         pseudonymize and redactDetected; what passes as it is says keep: {}"
    );
}

#[test]
fn plain_scalars_that_yaml_1_1_reads_differently_are_mistakes_with_a_fix() {
    assert_eq!(
        shown(&format!("{PIPELINE}  suspend: yes\n")),
        "m.yaml:13: spec.suspend: must be true or false, but is a text; write true or false, without quotes"
    );
    assert_eq!(
        shown(&PIPELINE.replace("space: customers", "space: no")),
        "m.yaml:7: spec.event.subject.space: `no` is read by YAML 1.1 as true or false; quote it if a text is meant, or write true or false"
    );
    assert!(mistakes(&PIPELINE.replace("space: customers", "space: 'no'")).is_empty());
}

#[test]
fn an_unknown_kind_is_reported_with_the_known_ones() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";
    assert_eq!(
        shown(text),
        "m.yaml:2: kind: `Deployment` is a kind that isn't read; what is read: lethe.dev/v1alpha1 DataStore, \
         lethe.dev/v1alpha1 ProfilePipeline, v1 Secret, v1 ConfigMap, v1 Namespace"
    );
}

#[test]
fn an_object_without_a_namespace_is_in_the_default_namespace() {
    let other = STORE.replace("{name: profiles}", "{name: profiles, namespace: shop}");
    let resources = read_text("m.yaml", &format!("{STORE}---\n{other}---\n{PIPELINE}")).unwrap();
    let store = resources.data_store("default", "profiles").unwrap();
    assert_eq!(store.metadata.namespace.as_deref(), Some("default"));
    assert!(resources.data_store("shop", "profiles").is_some());
    assert!(resources.data_store("other", "profiles").is_none());
    assert_eq!(resources.data_stores().count(), 2);
    assert_eq!(resources.pipelines().count(), 1);
    assert_eq!(resources.pipeline_place("default", "customers").unwrap().line, Some(11));
}

#[test]
fn two_objects_of_the_same_name_are_refused_with_both_places() {
    let named = STORE.replace("{name: profiles}", "{name: profiles, namespace: default}");
    assert_eq!(
        shown(&format!("{STORE}---\n{named}")),
        "m.yaml:8 (document 2): metadata.name: is the name of another DataStore of this namespace, at m.yaml:1; remove or rename one of the two"
    );
}

#[test]
fn debug_output_of_a_secret_shows_no_value() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: k}\ntype: lethe.dev/keys\ndata: {root: aHVudGVyMg==, both: YQ==}\nstringData: {both: hunter2}\n";
    let resources = read_text("m.yaml", text).unwrap();
    let secret = resources.secret("default", "k").unwrap();
    assert_eq!(secret.data["root"].expose(), b"hunter2");
    assert_eq!(secret.data["both"].expose(), b"hunter2");
    assert_eq!(secret.secret_type, "lethe.dev/keys");
    assert!(!format!("{resources:?}").contains("hunter2"));
    assert!(!format!("{:?}", secret.data["root"]).contains("104"));
}

#[test]
fn a_mistake_in_a_secret_shows_no_value() {
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: k}\n";
    for body in [
        "data: {root: 'hunter2!'}",
        "data: hunter2",
        "data: [hunter2]",
        "data: {a: [hunter2]}",
        "data: {a: {b: hunter2}}",
        "stringData: {'hunter2 hunter2': a}",
        "stringData: {a: hunter2, a: hunter2}",
        "stringData: {a: !hunter2 hunter2}",
        "immutable: hunter2",
        "type: [hunter2]",
        "stringData: {a: *hunter2}",
        "stringData: {a: 'hunter2}",
        "stringData:\n  a: hunter2\n b: hunter2",
        "hunter2",
    ] {
        let found = shown(&format!("{head}{body}\n"));
        assert!(!found.is_empty(), "{body} is accepted");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn an_empty_text_has_no_object_and_no_mistake() {
    assert_eq!(read_text("m.yaml", "# only words\n---\n").unwrap().data_stores().count(), 0);
}

#[test]
fn a_hostile_document_is_refused_with_a_bounded_number_of_mistakes() {
    let mut keys = String::new();
    for i in 0..150_000 {
        writeln!(keys, "k{i}: 1").unwrap();
    }
    let head = STORE.split("spec:").next().unwrap();
    for text in [
        format!("{STORE}{keys}"),
        format!("{head}spec:\n  embedded:\n{}", keys.replace('k', "    k")),
        format!("{}{}", "---\na: 1\n".repeat(300_000), STORE),
        format!("{STORE}x: {}{}", "[".repeat(255), "a,".repeat(700_000)),
        format!("{STORE}{}", "{a: ".repeat(255)),
    ] {
        let found = mistakes(&text);
        assert!(!found.is_empty() && found.len() <= 1_200, "{}", found.len());
    }
}

#[test]
fn a_json_file_must_be_json() {
    assert!(read_text("m.json", STORE).is_err());
    assert!(
        read_text(
            "m.yaml",
            "{apiVersion: lethe.dev/v1alpha1, kind: DataStore, metadata: {name: a}, spec: {embedded: {path: a}}}"
        )
        .is_ok()
    );
}

#[test]
fn files_and_directories_are_read_and_their_mistakes_reported() {
    let folder = std::env::temp_dir().join(format!("lethe-load-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("empty")).unwrap();
    std::fs::write(folder.join("a.yaml"), STORE).unwrap();
    std::fs::write(folder.join("b.yml"), PIPELINE).unwrap();
    std::fs::write(folder.join("notes.txt"), "no manifest").unwrap();
    let resources = read_paths(&[&folder]).unwrap();
    assert_eq!((resources.data_stores().count(), resources.pipelines().count()), (1, 1));

    std::fs::write(folder.join("c.json"), b"{\n\"a\": \"\xff\"}").unwrap();
    let error = read_paths(&[folder.clone(), folder.join("empty"), folder.join("none.yaml")]).unwrap_err().to_string();
    for part in ["line 2 is not UTF-8", "empty: holds no *.yaml", "none.yaml: failed to open"] {
        assert!(error.contains(part), "{error}");
    }
    std::fs::write(folder.join("c.json"), vec![b' '; 33 * 1024 * 1024]).unwrap();
    assert!(read_paths(&[folder.join("c.json")]).unwrap_err().to_string().contains("more than 32 MiB"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_serialized_pipeline_is_read_again_unchanged() {
    for case in cases().iter().filter(|case| mistakes(&case.manifest).is_empty()) {
        let first = read_text("m.yaml", &case.manifest).unwrap();
        for pipeline in first.pipelines() {
            let text = serde_json::to_string_pretty(pipeline).unwrap();
            let again = read_text("again.json", &text).unwrap();
            assert_eq!(again.pipelines().next().unwrap(), pipeline, "{}", case.name);
        }
    }
}

proptest! {
    /// A manifest in which a piece is removed or replaced causes no panic, and an error has at
    /// least one mistake.
    #[test]
    fn no_damaged_manifest_makes_the_loader_panic(
        at in 0..PIPELINE.len(),
        length in 0usize..40,
        piece in prop_oneof![
            "\\PC{0,12}",
            Just("{".to_owned()), Just("- ".to_owned()), Just("&a ".to_owned()), Just("*a".to_owned()), Just("\n---\n".to_owned()),
            Just("null".to_owned()), Just("1e999".to_owned()), Just("!!binary x".to_owned()), Just("<<: ".to_owned()), Just("\t".to_owned()),
        ],
    ) {
        let end = (at + length).min(PIPELINE.len());
        let text = format!("{}{piece}{}", &PIPELINE[..at], &PIPELINE[end..]);
        if let Err(error) = read_text("m.yaml", &text) {
            prop_assert!(!error.mistakes.is_empty());
        }
    }
}
