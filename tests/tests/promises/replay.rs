//! A source that is read again, from its start or from any point, changes nothing in a store.

use std::fs;

use crate::dump::{self, assert_same, dump};
use lethe_tests::folder::{Folder, generate, mixed_events};

const EVENTS: u64 = 40_000;

/// The comparison includes everything: the progress is the same after both runs, and `lethe_audit`
/// has accesses to personal data, of which a run makes none.
#[test]
fn a_second_run_from_the_start_changes_no_byte() {
    let folder = Folder::of_example("laptop");
    folder.write("profiles.ndjson", generate(mixed_events(EVENTS, 11)).0);
    let first = folder.counts(&[]);
    let (before, file) = (dump(&folder.database()), folder.read("clean.ndjson"));
    assert!(before["profiles"].len() > 1_000 && before["profile_history"].len() > 10_000);
    assert!(before["lethe_dead_letter"].len() > 1_000 && before["lethe_audit"].is_empty());

    let second = folder.counts(&["--from-start"]);
    assert_same(&before, &dump(&folder.database()));
    assert!(file == folder.read("clean.ndjson"));

    assert_eq!(second.events(), EVENTS);
    for sink in ["profiles", "history"] {
        for verdict in ["rejected", "denied", "duplicate", "expired", "fenced"] {
            assert_eq!(second.of(sink, verdict), first.of(sink, verdict), "{sink}, {verdict}");
        }
        for written in ["delivered", "deleted", "superseded"] {
            assert_eq!(second.of(sink, written), 0, "{sink}, {written}");
        }
        let earlier = ["delivered", "deleted", "superseded", "stale"].map(|outcome| first.of(sink, outcome));
        assert_eq!(second.of(sink, "stale"), earlier.iter().sum::<u64>(), "{sink}");
    }
    // The file is written again, line by line.
    assert_eq!(second.seen("clean"), first.seen("clean"));
    println!("replay: {EVENTS} events again; {}", second.seen("profiles"));
}

#[test]
fn a_run_with_nothing_new_changes_no_byte() {
    let folder = Folder::of_example("laptop");
    folder.write("profiles.ndjson", generate(mixed_events(2_000, 12)).0);
    folder.counts(&[]);
    let (before, file) = (dump(&folder.database()), folder.read("clean.ndjson"));
    let again = folder.counts(&[]);
    assert_eq!(again.events(), 0);
    assert_same(&before, &dump(&folder.database()));
    assert!(file == folder.read("clean.ndjson"));
}

/// The comparison leaves out the marks of the file sink in `lethe_progress`: a file, like an output
/// topic, gets duplicates if the source is set back without it.
#[test]
fn a_run_from_any_point_changes_no_row() {
    let folder = Folder::of_example("laptop");
    let (lines, _) = generate(mixed_events(5_000, 13));
    folder.write("profiles.ndjson", &lines);
    folder.counts(&[]);
    let mut before = dump(&folder.database());
    before.remove("lethe_progress");
    let clean = folder.read("clean.ndjson");
    for part in [1, 3, 7] {
        let from = lines.len() * part / 8;
        let from = from + lines[from..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let connection = dump::open(&folder.database());
        // As a version without fingerprints stored it.
        let sql = "DELETE FROM lethe_progress WHERE kind = 'offset' AND name <> 'profiles.ndjson'";
        assert_eq!(connection.execute(sql, []).unwrap(), 1);
        let sql = "UPDATE lethe_progress SET value = ?1 WHERE kind = 'offset'";
        assert_eq!(connection.execute(sql, [i64::try_from(from).unwrap()]).unwrap(), 1);
        drop(connection);
        let again = folder.counts(&[]);
        assert!(again.events() > 500 && again.events() < 5_000);
        assert_eq!(again.of("profiles", "delivered") + again.of("profiles", "deleted"), 0);
        let mut after = dump(&folder.database());
        after.remove("lethe_progress");
        assert_same(&before, &after);
    }
    assert!(folder.read("clean.ndjson").starts_with(&clean));
}

/// Events are identified by their ids, not by the files that contain them.
#[test]
fn events_that_two_files_contain_are_stored_once() {
    let folder = Folder::of_example("laptop");
    folder.edit("pipeline.yaml", "path: profiles.ndjson", "path: \"part-*.ndjson\"");
    let (lines, _) = generate(mixed_events(4_000, 14));
    folder.write("part-1.ndjson", &lines);
    folder.counts(&[]);
    let before = dump(&folder.database());
    fs::copy(folder.file("part-1.ndjson"), folder.file("part-2.ndjson")).unwrap();
    assert_eq!(folder.counts(&[]).events(), 4_000);
    let after = dump(&folder.database());
    for table in ["profiles", "profile_history", "lethe_deleted", "lethe_keys", "lethe_aliases"] {
        assert!(before[table] == after[table], "{table}");
    }
}
