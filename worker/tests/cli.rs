//! The commands as a person runs them: the program itself, in a folder of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const LAPTOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/laptop");

/// An empty folder with the program in reach.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With keys, events and a run behind it.
    fn after_a_run(events: u32) -> Self {
        let folder = Self::new();
        folder.ok(&["keys", "create", "lethe-keys"]);
        let count = events.to_string();
        folder.ok(&["generate", "account", "--count", &count, "--to", "profiles.ndjson", "--not-json", "0.1"]);
        folder.run_pipeline();
        folder
    }

    fn run_pipeline(&self) {
        self.ok(&["run", "-f", LAPTOP, "-f", "lethe-keys.yaml", "--until-end", "--quiet"]);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lethe-worker"));
        command.current_dir(self.path()).args(arguments).env_remove("LETHE_LOG").stdin(Stdio::null());
        command
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it answers, when it must succeed.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// The exit code and what it says, when it must fail.
    fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn ask(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

/// The manifests and the keys, behind a command.
fn with_keys<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [command, &["-f", LAPTOP, "-f", "lethe-keys.yaml"]].concat()
}

#[test]
fn generate_writes_the_same_bytes_for_a_seed_and_never_over_a_file() {
    let folder = Folder::new();
    let generate = ["generate", "account", "--count", "500", "--seed", "7", "--invalid", "0.1"];
    let first = folder.ok(&generate);
    assert_eq!(first.lines().count(), 500);
    assert_eq!(folder.ok(&generate), first);
    let to = [&generate[..], &["--to", "a.ndjson"]].concat();
    folder.ok(&to);
    assert_eq!(folder.read("a.ndjson"), first);
    let (code, said) = folder.fails(&to);
    assert_eq!(code, 2);
    assert!(said.contains("--force"), "{said}");
    folder.ok(&["generate", "account", "--count", "5", "--to", "a.ndjson", "--force"]);
    assert_eq!(folder.read("a.ndjson").lines().count(), 5);
}

#[test]
fn generate_counts_what_it_wrote_and_reports_a_wrong_share() {
    let folder = Folder::new();
    let output = folder.run(&["generate", "random-user", "--late", "0.5", "--summary", "--output", "json"]);
    let summary: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(summary["counts"]["lines"], 1000);
    assert!(summary["counts"]["late"].as_u64().unwrap() > 300);
    let now = jiff::Timestamp::now().to_string();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].as_str().unwrap() < now.as_str(), "no event lies in the future");
    }
    assert_eq!(folder.fails(&["generate", "account", "--late", "1.5"]).0, 2);
}

#[test]
fn generate_ends_quietly_when_its_reader_has_seen_enough() {
    let folder = Folder::new();
    let mut command = folder.command(&["generate", "account", "--count", "1000000"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

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
fn keys_create_never_overwrites_and_never_shows_a_key() {
    let folder = Folder::new();
    let said = folder.ok(&["keys", "create", "lethe-keys"]);
    let file = folder.read("lethe-keys.yaml");
    let keys: Vec<&str> = file.split('"').filter(|part| part.len() == 64).collect();
    assert_eq!(keys.len(), 6);
    assert!(keys.iter().all(|key| !said.contains(key)));
    let (code, said) = folder.fails(&["keys", "create", "lethe-keys"]);
    assert_eq!(code, 2);
    assert!(said.contains("never overwritten"), "{said}");
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
    folder.ok(&["generate", "account", "--count", "300", "--to", "profiles.ndjson", "--not-json", "0.1"]);
    folder.run_pipeline();
    let used = folder.json(&check);
    let states: Vec<&str> =
        used[0]["keys"].as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["inUse"; 6]);
    let master = used[0]["keys"].as_array().unwrap().iter().find(|key| key["name"] == "master-1").unwrap().clone();
    assert!(master["subjectKeys"].as_u64().unwrap() > 0 && master["dayKeys"] == 1, "{master}");
    fs::remove_file(folder.path().join("lethe-keys.yaml")).unwrap();
    folder.ok(&["keys", "create", "lethe-keys"]);
    let (code, said) = folder.fails(&check);
    assert_eq!(code, 5);
    assert!(said.contains("another value for `root`"), "{said}");
}

#[test]
fn keys_rotate_and_retire_leave_every_sealed_value_as_it_is() {
    let folder = Folder::new();
    let pipeline = fs::read_to_string(format!("{LAPTOP}/pipeline.yaml")).unwrap();
    let clean = "    - name: clean\n      audience: Analytics\n      records: Append\n      fields:\n";
    assert!(pipeline.contains(clean));
    let sealed = clean.replace("Analytics", "Operational") + "        - /email\n";
    fs::create_dir(folder.path().join("m")).unwrap();
    fs::write(folder.path().join("m/pipeline.yaml"), pipeline.replace(clean, &sealed)).unwrap();
    fs::copy(format!("{LAPTOP}/store.yaml"), folder.path().join("m/store.yaml")).unwrap();
    let with_keys = |command: &[&'static str]| [command, &["-f", "m", "-f", "lethe-keys.yaml"]].concat();
    let run = with_keys(&["run", "--until-end", "--quiet", "--from-start"]);
    folder.ok(&["keys", "create", "lethe-keys"]);
    folder.ok(&["generate", "account", "--count", "400", "--to", "profiles.ndjson", "--not-json", "0.1"]);
    folder.ok(&run);
    let before = folder.read("lethe-keys.yaml");
    let sealed = folder.read("clean.ndjson");
    assert!(sealed.contains("\"email\":\""));
    let retire = with_keys(&["keys", "retire", "master-1", "--ground", "a test"]);
    let (code, said) = folder.fails(&retire);
    assert_eq!(code, 5);
    assert!(said.contains("is the current master"), "{said}");

    let made = folder.json(&with_keys(&["keys", "rotate", "--only-make"]));
    assert_eq!((made["made"].clone(), made["rewrapped"].clone()), (Value::Bool(true), Value::Null));
    assert_eq!(folder.read("lethe-keys.yaml.before-master-2"), before);
    assert_eq!(folder.fails(&retire).0, 5, "master-1 still wraps keys");

    // The same command goes on: no third master.
    let rotated = folder.json(&with_keys(&["keys", "rotate"]));
    assert_eq!((rotated["made"].clone(), rotated["master"].clone()), (Value::Bool(false), "master-2".into()));
    assert!(rotated["rewrapped"]["subjectKeys"].as_u64().unwrap() > 0);
    assert_eq!(rotated["rewrapped"]["dayKeys"], 1);

    // The Secret as it was is refused from now on.
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
fn keys_are_not_changed_where_their_store_is_not() {
    let folder = Folder::new();
    folder.ok(&["keys", "create", "lethe-keys"]);
    let before = folder.read("lethe-keys.yaml");
    let (code, said) = folder.fails(&with_keys(&["keys", "rotate"]));
    assert_eq!(code, 4);
    assert!(said.contains("in the folder where the pipeline runs"), "{said}");
    assert_eq!(folder.read("lethe-keys.yaml"), before);
    assert!(!folder.path().join("lethe.sqlite").exists());
}

#[test]
fn token_answers_a_line_each_and_never_repeats_an_identifier() {
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
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(said.contains("line 2") && !said.contains("secret"), "{said}");
    assert_eq!(folder.fails(&with_keys(&["token", "--space", "absent", "x"])).0, 2);
    assert_eq!(folder.fails(&["token", "-f", LAPTOP, "--space", "customers", "x"]).0, 5);
}

#[test]
fn a_reference_finds_the_rows_of_a_person() {
    let folder = Folder::after_a_run(20);
    // Lines that are no JSON may be no text either.
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
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("default/profiles") && said.contains("default/other"), "{said}");
    assert!(folder.ask(&[&token[..], &["--pipeline", "other"]].concat(), "a@example.org\n").status.success());
}

#[test]
fn completions_are_written_for_every_shell() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(folder.ok(&["completions", shell]).contains("lethe-worker"), "{shell}");
    }
}

#[test]
fn manual_pages_are_made_for_the_program_and_each_command_and_name_it() {
    let folder = Folder::new();
    folder.ok(&["man", "pages"]);
    let help = folder.ok(&["help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut seen = 0;
    for command in commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| *name != "help")
    {
        if command.is_empty() {
            continue;
        }
        let page = folder.read(&format!("pages/lethe-worker-{command}.1"));
        assert!(page.contains(&format!(".TH lethe-worker-{command} 1")), "{command}");
        assert!(page.contains(&command.replace('-', "\\-")) && page.contains(".SH SYNOPSIS"), "{command}");
        seen += 1;
    }
    assert!(seen >= 10, "{help}");
    assert!(folder.read("pages/lethe-worker-keys-rotate.1").contains("keys rotate"));
    let page = folder.ok(&["man"]);
    assert_eq!(folder.read("pages/lethe-worker.1").lines().next(), page.lines().next());
    assert!(page.contains("generate") && page.contains("Exit codes"), "{page}");
}

/// Events of somebody's own, in which every value and some keys begin with SECRET.
const OWN: &str = "\
{\"id\": \"SECRET-1\", \"mail\": \"SECRETann@example.com\", \"notes\": [\"SECRET call +44 20 7946 0042\"]}
{\"id\": \"SECRET-2\", \"mail\": \"SECRETbob@example.com\", \"notes\": [\"SECRET\"], \"by\": {\"SECRETeve@example.com\": \"SECRET 192.0.2.7\"}}
{\"id\": \"SECRET-3\", \"mail\": \"SECRET\"
";

#[test]
fn detect_names_paths_and_kinds_and_shows_no_value() {
    let folder = Folder::new();
    fs::write(folder.path().join("own.ndjson"), OWN).unwrap();
    for form in [vec![], vec!["--suggest"], vec!["--output", "json"], vec!["--suggest", "--output", "json"]] {
        let from_file = folder.run(&[&["detect", "own.ndjson", "--log", "trace"][..], &form].concat());
        assert!(from_file.status.success());
        let said = [from_file.stdout.clone(), from_file.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("SECRET") && !said.contains("7946") && !said.contains("192.0"), "{said}");
        assert!(said.contains("/mail") && said.contains("/notes/*") && !said.contains("/id"), "{said}");
        let piped = folder.ask(&[&["detect"][..], &form].concat(), OWN);
        assert_eq!(piped.stdout, from_file.stdout);
    }
    let text = folder.ok(&["detect", "own.ndjson"]);
    let line =
        |path: &str| text.lines().find(|line| line.starts_with(path)).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(line("/mail"), ["/mail", "email", "user.contact.email", "encrypt", "2", "100", "%"]);
    assert_eq!(line("/notes/*"), ["/notes/*", "phone", "user.content", "redactDetected", "1", "50", "%"]);
    assert_eq!(line("/by (keys)")[2..4], ["email", "user.content"]);
    assert!(text.starts_with("3 events, 1 no JSON object: searched as text\n"), "{text}");
    let answer = folder.json(&["detect", "own.ndjson"]);
    assert_eq!(answer["counts"]["events"], 3);
    let mail = answer["found"].as_array().unwrap().iter().find(|found| found["path"] == "/mail").unwrap();
    assert_eq!((&mail["events"], &mail["of"], &mail["share"]), (&2.into(), &2.into(), &1.0.into()));
    assert_eq!(mail["suggestion"]["clean"], serde_json::json!(["Trim", "Lowercase"]));
}

#[test]
fn detect_reads_several_files_and_rows_and_tells_what_is_not_there() {
    let folder = Folder::new();
    fs::write(folder.path().join("a.csv"), "name,reach\nAnn,ann@example.com\nBob,\n").unwrap();
    fs::write(folder.path().join("b.csv"), "name,reach\nEve,eve@example.com\n").unwrap();
    let answer = folder.json(&["detect", "--format", "csv", "a.csv", "b.csv"]);
    assert_eq!((&answer["counts"]["events"], &answer["found"][0]["events"]), (&3.into(), &2.into()));
    assert_eq!(folder.json(&["detect", "--format", "csv", "*.csv"]), answer);
    let nothing = folder.ask(&["detect", "-"], "{\"a\": 1}\n");
    assert!(String::from_utf8(nothing.stdout).unwrap().contains("Nothing with the form"));
    let (code, said) = folder.fails(&["detect", "a.csv", "absent.ndjson"]);
    assert!(code == 4 && said.contains("absent.ndjson does not exist"), "{said}");
}

#[test]
fn generate_keeps_to_a_rate() {
    let folder = Folder::new();
    let started = std::time::Instant::now();
    let events = folder.ok(&["generate", "clickstream", "--count", "31", "--rate", "100/s"]);
    assert!(started.elapsed().as_millis() >= 300 && events.lines().count() == 31);
    let (code, said) = folder.fails(&["generate", "clickstream", "--rate", "fast"]);
    assert!(code == 2 && said.contains("0.2/s"), "{said}");
}

#[test]
fn generate_says_what_it_needs_to_reach_a_topic() {
    let folder = Folder::new();
    let to_kafka = ["generate", "clickstream", "--count", "1", "--to", "kafka"];
    for (given, needed) in [
        (&["--bootstrap", "localhost:1"][..], "--topic"),
        (&["--topic", "t"], "--bootstrap"),
        (&["--topic", "t", "--bootstrap", "kafka.example.com:9092"], "DataStore"),
        (&["--topic", "t", "--store", "store"], "--filename"),
        (&["--topic", "t", "--store", "absent", "-f", LAPTOP], "absent"),
        (&["--topic", "t", "--store", "store", "-f", LAPTOP, "--bootstrap", "localhost:1"], "cannot be used with"),
    ] {
        let (code, said) = folder.fails(&[&to_kafka[..], given].concat());
        assert!(code == 2 && said.contains(needed), "{given:?}: {code} {said}");
    }
    let (_, said) = folder.fails(&[&to_kafka[..], &["--topic", "t", "--store", "store", "-f", LAPTOP]].concat());
    assert!(said.contains("embedded"), "{said}");
    let (code, said) = folder.fails(&["generate", "account", "--topic", "t"]);
    assert!(code == 2 && said.contains("--to kafka"), "{said}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "no file called kafka was made");
}
