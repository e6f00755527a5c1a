//! `token` turns an identifier into the reference of its rows.

use std::{fs, process::Output};

use serde_json::Value;

use crate::{Folder, LAPTOP, with_keys};

#[test]
fn token_prints_a_line_each_and_never_an_identifier() {
    let folder = Folder::new();
    folder.ok(&["keys", "create", "lethe-keys"]);
    let token = with_keys(&["token", "--space", "customers"]);
    let lines = |output: Output| -> Vec<String> {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    let made = lines(folder.ask(&token, "u-1\nu-2\nu-1\n"));
    assert_eq!((made.len(), made[0].len()), (3, 16 + 1 + 64));
    assert!(made[0] == made[2] && made[0] != made[1]);
    let emails =
        lines(folder.ask(&[&token[..], &["--alias", "email"]].concat(), " Ann@Example.org\nann@example.org\n"));
    assert_eq!(emails[0], emails[1], "the canonical form is that of the space");
    let references = lines(folder.ask(&[&token[..], &["--reference", "analytics"]].concat(), "u-1\n"));
    assert_eq!(references[0].len(), 64);
    let refused = folder.ask(&token, &format!("u-1\n{}\n", "secret".repeat(300)));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(error.contains("line 2") && !error.contains("secret"), "{error}");
    assert_eq!(folder.fails(&with_keys(&["token", "--space", "absent", "x"])).0, 2);
    assert_eq!(folder.fails(&["token", "-f", LAPTOP, "--space", "customers", "x"]).0, 5);
}

#[test]
fn an_identifier_with_another_form_in_each_version_needs_a_version() {
    let folder = Folder::new();
    folder.ok(&["keys", "create", "lethe-keys"]);
    let token = with_keys(&["token", "--space", "customers", "--alias", "email"]);
    let of = |version: &[&str], email: &str| folder.ask(&[&token[..], version].concat(), &format!("{email}\n"));
    let refused = of(&[], "ann@example.org\u{200b}");
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--canonical-version"));
    let plain = of(&[], "ann@example.org").stdout;
    assert_eq!(plain.len(), 16 + 1 + 64 + 1);
    assert_eq!(of(&["--canonical-version", "2"], "ann@example.org\u{200b}").stdout, plain);
    assert_ne!(of(&["--canonical-version", "1"], "ann@example.org\u{200b}").stdout, plain);
}

#[test]
fn a_reference_finds_the_rows_of_a_person() {
    let folder = Folder::after_a_run(20);
    // Lines that are not JSON may not be text, either.
    let profiles = fs::read(folder.path().join("profiles.ndjson")).unwrap();
    let ids: Vec<String> = profiles
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter_map(|event| Some(event["user_id"].as_str()?.to_owned()))
        .collect();
    let token = with_keys(&["token", "--space", "customers", "--reference", "analytics"]);
    let references = String::from_utf8(folder.ask(&token, &ids.join("\n")).stdout).unwrap();
    let references: Vec<&str> = references.lines().collect();
    let clean = folder.read("clean.ndjson");
    assert!(clean.lines().count() > 0);
    for line in clean.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert!(references.contains(&row["subject_ref"].as_str().unwrap()));
    }
}

#[test]
fn two_pipelines_that_write_identifiers_differently_have_no_token() {
    let folder = Folder::new();
    folder.ok(&["keys", "create", "lethe-keys"]);
    let pipeline = fs::read_to_string(format!("{LAPTOP}/pipeline.yaml")).unwrap();
    let other =
        pipeline.replace("  name: profiles\n", "  name: other\n").replace("canonical: Email", "canonical: Exact");
    fs::write(folder.path().join("other.yaml"), other).unwrap();
    let token = with_keys(&["token", "-f", "other.yaml", "--space", "customers", "--alias", "email"]);
    let refused = folder.ask(&token, "a@example.org\n");
    assert_eq!(refused.status.code(), Some(3));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("default/profiles") && error.contains("default/other"), "{error}");
    assert!(folder.ask(&[&token[..], &["--pipeline", "other"]].concat(), "a@example.org\n").status.success());
}
