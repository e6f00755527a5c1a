//! `keys` creates, checks, rotates and retires keys.

use std::fs;

use serde_json::Value;

use crate::{Folder, LAPTOP, with_keys};

#[test]
fn keys_create_never_overwrites_and_never_shows_a_key() {
    let folder = Folder::new();
    let output = folder.ok(&["keys", "create", "lethe-keys"]);
    let file = folder.read("lethe-keys.yaml");
    let keys: Vec<&str> = file.split('"').filter(|part| part.len() == 64).collect();
    assert_eq!(keys.len(), 6);
    assert!(keys.iter().all(|key| !output.contains(key)));
    let (code, error) = folder.fails(&["keys", "create", "lethe-keys"]);
    assert_eq!(code, 2);
    assert!(error.contains("never overwritten"), "{error}");
    assert_eq!(folder.read("lethe-keys.yaml"), file);
    let piped = folder.ok(&["keys", "create", "lethe-keys", "--namespace", "shop", "--to", "-"]);
    assert!(piped.contains("namespace: \"shop\""));
}

#[test]
fn keys_check_knows_a_new_ring_from_the_one_in_use_and_from_another() {
    let folder = Folder::new();
    folder.ok(&["keys", "create", "lethe-keys"]);
    let check = with_keys(&["keys", "check"]);
    let new = folder.json(&check);
    assert_eq!((new[0]["made"].clone(), new[0]["keys"][0]["state"].clone()), (Value::Bool(false), "new".into()));
    assert!(!folder.path().join("lethe.sqlite").exists(), "looking makes no store");
    folder.generate(300);
    folder.run_pipeline();
    let used = folder.json(&check);
    let states: Vec<&str> =
        used[0]["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["inUse"; 6]);
    let master = used[0]["keys"].as_array().unwrap().iter().find(|key| key["name"] == "master-1").unwrap().clone();
    assert!(master["subjectKeys"].as_u64().unwrap() > 0 && master["dayKeys"] == 1, "{master}");
    fs::remove_file(folder.path().join("lethe-keys.yaml")).unwrap();
    folder.ok(&["keys", "create", "lethe-keys"]);
    let (code, error) = folder.fails(&check);
    assert_eq!(code, 5);
    assert!(error.contains("another value for `root`"), "{error}");
}

#[test]
fn keys_rotate_and_retire_leave_every_sealed_value_as_it_is() {
    let folder = Folder::new();
    let pipeline = fs::read_to_string(format!("{LAPTOP}/pipeline.yaml")).unwrap();
    let clean = "    - name: clean\n      audience: Analytics\n      records: Append\n      timePrecision: Hour\n      \
                 fields:\n";
    assert!(pipeline.contains(clean));
    let sealed = clean.replace("Analytics", "Operational") + "        - /email\n";
    fs::create_dir(folder.path().join("m")).unwrap();
    fs::write(folder.path().join("m/pipeline.yaml"), pipeline.replace(clean, &sealed)).unwrap();
    fs::copy(format!("{LAPTOP}/store.yaml"), folder.path().join("m/store.yaml")).unwrap();
    let with_keys = |command: &[&'static str]| [command, &["-f", "m", "-f", "lethe-keys.yaml"]].concat();
    let run = with_keys(&["run", "--until-end", "--quiet", "--from-start"]);
    folder.ok(&["keys", "create", "lethe-keys"]);
    folder.generate(400);
    folder.ok(&run);
    let before = folder.read("lethe-keys.yaml");
    let sealed = folder.read("clean.ndjson");
    assert!(sealed.contains("\"email\":\""));
    let retire = with_keys(&["keys", "retire", "master-1", "--ground", "a test"]);
    let (code, error) = folder.fails(&retire);
    assert_eq!(code, 5);
    assert!(error.contains("is the current master"), "{error}");

    let made = folder.json(&with_keys(&["keys", "rotate", "--only-make"]));
    assert_eq!((made["made"].clone(), made["rewrapped"].clone()), (Value::Bool(true), Value::Null));
    assert_eq!(folder.read("lethe-keys.yaml.before-master-2"), before);
    assert_eq!(folder.fails(&retire).0, 5, "master-1 still wraps keys");

    // The same command continues the rotation: it makes no third master.
    let rotated = folder.json(&with_keys(&["keys", "rotate"]));
    assert_eq!((rotated["made"].clone(), rotated["master"].clone()), (Value::Bool(false), "master-2".into()));
    assert!(rotated["rewrapped"]["subjectKeys"].as_u64().unwrap() > 0);
    assert_eq!(rotated["rewrapped"]["dayKeys"], 1);

    // The earlier Secret is refused from now on.
    fs::write(folder.path().join("old.yaml"), &before).unwrap();
    assert_eq!(folder.fails(&["keys", "check", "-f", "m", "-f", "old.yaml"]).0, 5);

    folder.ok(&retire);
    assert!(!folder.read("lethe-keys.yaml").contains("master-1"));
    folder.ok(&run);
    assert!(folder.read("clean.ndjson") == sealed, "the same keys seal the same values");
    let again = folder.json(&with_keys(&["keys", "check"]));
    let state = |name: &str| {
        again[0]["keys"].as_array().unwrap().iter().find(|key| key["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!((state("master-1"), state("master-2")), ("retired".into(), "inUse".into()));
    assert_eq!(folder.fails(&retire).0, 2, "it was retired before");
    let next = folder.json(&with_keys(&["keys", "rotate"]));
    assert_eq!((next["made"].clone(), next["master"].clone()), (Value::Bool(true), "master-3".into()));
    folder.ok(&run);
}

#[test]
fn keys_rotate_to_a_new_file_leaves_the_old_one_and_never_writes_twice() {
    let folder = Folder::after_a_run(50);
    let before = folder.read("lethe-keys.yaml");
    let rotate = with_keys(&["keys", "rotate", "--to", "second.yaml"]);
    folder.ok(&rotate);
    assert_eq!(folder.read("lethe-keys.yaml"), before);
    assert!(folder.read("second.yaml").contains("master-2"));
    assert_eq!(folder.fails(&rotate).0, 5, "the older Secret lacks a key in use");
    folder.ok(&["run", "-f", LAPTOP, "-f", "second.yaml", "--until-end", "--quiet"]);
}

#[test]
fn keys_are_not_changed_without_their_store() {
    let folder = Folder::new();
    folder.ok(&["keys", "create", "lethe-keys"]);
    let before = folder.read("lethe-keys.yaml");
    let (code, error) = folder.fails(&with_keys(&["keys", "rotate"]));
    assert_eq!(code, 4);
    assert!(error.contains("in the folder where the pipeline runs"), "{error}");
    assert_eq!(folder.read("lethe-keys.yaml"), before);
    assert!(!folder.path().join("lethe.sqlite").exists());
}
