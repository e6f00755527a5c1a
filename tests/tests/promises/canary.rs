//! No personal value is stored or logged except where the manifest allows it. Every place of events
//! and manifests contains canaries, and the output and files of runs are searched for them.

use std::{fs, thread, time::Duration};

use crate::dump::{self, dump};
use lethe_tests::{
    canaries::{PIPELINE, assert_no_canary, event, events, sightings},
    folder::Folder,
    process::{Running, finish},
};

/// Every format of output with every detail.
const LOUD: [[&str; 6]; 2] = [
    ["--log", "trace", "--log-format", "text", "--output", "text"],
    ["--log", "trace", "--log-format", "json", "--output", "json"],
];

/// Runs a command in every format. Fails the test if its output contains a canary, or if its exit
/// code is another one.
#[track_caller]
fn check_output(folder: &Folder, code: i32, arguments: &[&str]) {
    for loud in LOUD {
        let ended = finish(folder.worker(arguments).args(loud).env("RUST_BACKTRACE", "1"));
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.err());
        assert_no_canary(ended);
    }
}

fn folder() -> Folder {
    let folder = Folder::of_pipeline(PIPELINE);
    folder.write("events.ndjson", events());
    folder
}

const RUN: [&str; 4] = ["run", "-f", ".", "--until-end"];

/// Searches everything that a run has written.
#[track_caller]
fn assert_no_canary_is_stored(folder: &Folder) {
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if ["events.ndjson", "pipeline.yaml"].contains(&name.as_str()) {
            continue;
        }
        let found = sightings(&fs::read(&path).unwrap());
        if name.starts_with("lethe.sqlite") {
            // The two allowed canaries; sightings near one are of the same two.
            let other: Vec<_> = found.iter().filter(|text| !text.is_any(&["zxqvbyjkkept", "zxqvbyjkid"])).collect();
            assert!(other.is_empty(), "{name}: {other:?}");
        } else {
            assert_eq!(found, Vec::new(), "{name}");
        }
    }
    for (table, rows) in dump(&folder.database()) {
        if table != "people" {
            assert_eq!(sightings(rows.join("\n").as_bytes()), Vec::new(), "{table}");
        }
    }
}

#[test]
fn no_canary_of_an_event_is_stored_or_logged() {
    let folder = folder();
    let counts = assert_no_canary(folder.run(&["--log", "trace"])).counts();
    assert_eq!(
        counts.seen("people"),
        "deleted 1, delivered 3, denied 1, duplicate 1, rejected 29",
        "every kind of event is among them: {}",
        counts.reasons()
    );
    let reasons = [
        "CleanFailed",
        "DuplicateKey",
        "IdInvalid",
        "InvalidUtf8",
        "NotAnObject",
        "NotJson",
        "NumberOutOfRange",
        "ProtectFailed",
        "SchemaViolation",
        "SubjectInvalid",
        "TimeInvalid",
        "TooDeep",
    ];
    for reason in reasons {
        assert!(counts.rejected_for(reason) > 0, "{reason}: {}", counts.reasons());
    }
    assert_no_canary_is_stored(&folder);
    // The allowed canaries are there: in an empty store this test would find nothing.
    let people = dump(&folder.database())["people"].join("\n");
    assert!(people.contains("zxqvbyjkkept") && people.contains("zxqvbyjkid-good"));
    for loud in LOUD {
        assert_no_canary(
            finish(folder.worker(&RUN).args(["--from-start"]).args(loud).env("RUST_BACKTRACE", "1")).success(),
        );
        assert_no_canary_is_stored(&folder);
    }
}

#[test]
fn no_canary_of_undeclared_data_is_stored_or_logged() {
    for rule in ["Reject", "Detect"] {
        let folder = folder();
        folder.edit("pipeline.yaml", "undeclared: Drop", &format!("undeclared: {rule}"));
        if rule == "Detect" {
            // Only detected values are redacted: this canary looks like an address.
            let line = event("detect", r#""free":{"zxqvbyjkfree@example.com":1,"text":["zxqvbyjktext@example.com"]},"#);
            folder.write("events.ndjson", line + "\n");
        }
        assert_no_canary(folder.run(&["--log", "trace"]).success());
        assert_no_canary_is_stored(&folder);
    }
}

#[test]
fn a_killed_run_leaves_no_canary() {
    let folder = folder();
    for moment in [30, 60, 120, 240] {
        let run = Running::start(&mut folder.run_command(&["--from-start", "--log", "trace"]));
        thread::sleep(Duration::from_millis(moment));
        assert_no_canary(run.kill());
        if folder.database().exists() && !dump::tables(&dump::open(&folder.database())).is_empty() {
            assert_no_canary_is_stored(&folder);
        }
    }
}

#[test]
fn no_canary_of_a_csv_header_or_cell_is_stored_or_logged() {
    let csv = "    file:
      path: people.csv
      format: Csv
      csv: {columns: [{header: Number, key: id}, {header: When, key: time}, {header: Who, key: who}, {header: Score, key: score, type: Number}]}
";
    let pipeline = PIPELINE.replace("    file: {path: events.ndjson, format: Ndjson}\n", csv);
    let pipeline = pipeline.replace("from: {field: /consent/marketing}", "from: {field: /agreed, granted: [\"yes\"]}");
    let row = "zxqvbyjkid-1,2026-11-01T00:00:00Z,zxqvbyjkwho,1,yes,zxqvbyjkcell";
    for (code, text) in [
        (0, format!("Number,When,Who,Score,agreed,zxqvbyjkheader\n{row}\n{row},zxqvbyjklong\nzxqvbyjkshort\n")),
        (
            0,
            format!(
                "Number,When,Who,Score,agreed,zxqvbyjkheader\n{}\n\"zxqvbyjkopen,1\n",
                row.replace(",1,", ",zxqvbyjkscore,")
            ),
        ),
        (4, format!("Number,When,Who,agreed,zxqvbyjkheader,zxqvbyjkname\n{row}\n")),
        (4, format!("Number,When,Who,Score,zxqvbyjkheader,zxqvbyjkheader\n{row}\n")),
        (4, format!("Number,When,Who,Score,\"zxqvbyjkheader\n{row}\n")),
        (4, format!("{row}\n{row}\n")),
    ] {
        let folder = Folder::of_pipeline(&pipeline);
        folder.write("people.csv", text);
        check_output(&folder, code, &RUN);
        fs::remove_file(folder.file("people.csv")).unwrap();
        assert_no_canary_is_stored(&folder);
    }
}

#[test]
fn no_other_command_prints_a_canary() {
    let folder = folder();
    folder.counts(&[]);
    for arguments in [
        &["lint", "-f", "."][..],
        &["plan", "-f", "."],
        &["keys", "check", "-f", "."],
        &["redrive", "-f", ".", "--dry-run"],
        &["token", "-f", ".", "--space", "people", "zxqvbyjkwho"],
        &["token", "-f", ".", "--space", "people", "--reference", "analytics", "zxqvbyjkwho"],
    ] {
        check_output(&folder, 0, arguments);
    }
    check_output(&folder, 2, &["token", "-f", ".", "--space", "nobody", "zxqvbyjkwho"]);
    check_output(&folder, 1, &["reveal", "-f", ".", "--ground", "TICKET-1", "zxqvbyjknobody"]);
}

#[test]
fn a_failed_run_neither_stores_nor_logs_a_canary() {
    let with = |prepare: &dyn Fn(&Folder)| {
        let folder = folder();
        prepare(&folder);
        folder
    };
    let keys = |folder: &Folder, change: &dyn Fn(String) -> String| {
        let text = fs::read_to_string(folder.file("keys.yaml")).unwrap();
        folder.write("keys.yaml", change(text));
    };
    let nowhere = with(&|folder| folder.edit("store.yaml", "path: lethe.sqlite", "path: no/such/lethe.sqlite"));
    check_output(&nowhere, 4, &RUN);
    check_output(&with(&|folder| folder.edit("pipeline.yaml", "path: clean.ndjson", "path: .")), 4, &RUN);
    check_output(&with(&|folder| folder.write("clean.ndjson", "zxqvbyjkthere\n")), 4, &RUN);
    check_output(&with(&|folder| folder.write("lethe.sqlite", "zxqvbyjkdata".repeat(1000))), 4, &RUN);
    let torn = with(&|folder| {
        let whole = zstd::encode_all(&events().repeat(20)[..], 1).unwrap();
        folder.write("events.ndjson.zst", &whole[..whole.len() / 2]);
        folder.edit("pipeline.yaml", "path: events.ndjson", "path: events.ndjson.zst");
    });
    check_output(&torn, 4, &RUN);
    // A table of this name exists with other columns.
    let other = with(&|folder| {
        folder.run(&[]).success();
        let sql = "DROP TABLE people; CREATE TABLE people (zxqvbyjkcolumn); INSERT INTO people VALUES ('zxqvbyjkrow')";
        dump::open(&folder.database()).execute_batch(&format!("DROP VIEW people_fields; {sql}")).unwrap();
    });
    assert_no_canary_of_rows(&other);
    // Invalid keys.
    for change in [
        &|text: String| text.replace("root: \"", "root: \"zxqvbyjkroot"),
        &(|text: String| {
            text.replace("root: \"", "root: [\"zxqvbyjkroot\", \"")
                .replace("stringData:", "# zxqvbyjkcomment\nstringData:")
        }) as &dyn Fn(String) -> String,
        &|text: String| text + "  other: [zxqvbyjkother]\n",
        &|text: String| text + "  other: {zxqvbyjkother: 1}\n",
        &|text: String| text + "  other: 44799123\n",
        &|text: String| text + "  other: |\n zxqvbyjkother\n",
        &|text: String| text + "  other: \"zxqvbyjkother\n",
        &|text: String| text + "  other: !zxqvbyjktag x\n",
        &|text: String| text + "  other: *zxqvbyjkalias\n",
        &|text: String| text + "data: {root: zxqvbyjkroot!}\n",
        &|text: String| text + "data: {root: enhxdg==, root: zxqvbyjkroot}\n",
        &|text: String| text + "data: zxqvbyjkdata\n",
        &|text: String| text + "data: [zxqvbyjkdata]\n",
    ] {
        let folder = with(&|folder| keys(folder, change));
        for loud in LOUD {
            let ended = finish(folder.worker(&RUN).args(loud).env("RUST_BACKTRACE", "1"));
            let text = fs::read_to_string(folder.file("keys.yaml")).unwrap();
            assert!(matches!(ended.code, Some(3 | 5)), "{:?}: {}", ended.code, text.lines().last().unwrap());
            let hex: Vec<&str> = text.split('"').filter(|word| word.len() >= 64).collect();
            assert!(hex.iter().all(|key| !ended.err().contains(&key[key.len() - 60..])), "a key is shown");
            assert_no_canary(ended);
        }
    }
}

/// Checks a refusal for a foreign table. It may name a column: names of columns are not data.
fn assert_no_canary_of_rows(folder: &Folder) {
    for loud in LOUD {
        let ended = finish(folder.worker(&RUN).args(loud));
        assert_eq!(ended.code, Some(4), "{}", ended.err());
        assert!(!ended.err().contains("zxqvbyjkrow") && !ended.err().contains("zxqvbyjkkept"), "{}", ended.err());
    }
}

#[test]
fn the_search_finds_a_canary() {
    assert_eq!(sightings(b"no bird here").len(), 0);
    assert_eq!(sightings(b"a ZxqvbyjkBird and 447991239").len(), 2);
    assert!(sightings(&events()).len() > 60);
}
