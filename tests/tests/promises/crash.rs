//! A run that is killed at any moment and started again ends in the same state as an undisturbed
//! one.
//!
//! Subjects' keys and day keys are random, so the killed run gets those of the undisturbed one.
//! Then every byte must be the same. A run with its own keys may differ in sealed values alone.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;
use rusqlite::Connection;
use serde_json::Value;

use crate::dump::{self, Dump, assert_same, dump};
use lethe_tests::{
    folder::{Folder, generate, mixed_events},
    process::{Running, finish_within},
};

/// Tables that are copied to the killed run: random keys, and what depends on them.
const KEY_TABLES: [&str; 4] = ["lethe_keys", "lethe_day_keys", "lethe_aliases", "lethe_key_checks"];

/// The longest time of a run over all events: on a slow disk half a million took four minutes.
const WHOLE_RUN: Duration = Duration::from_secs(600);

/// A sink whose file has a frame per batch.
const PACKED: &str = "    - name: packed
      audience: Analytics
      records: Append
      fields: [/user_id, /tier]
      file: {path: packed.ndjson.zst, compression: Zstd}
";

/// `LETHE_SOAK=1`, as set by `make soak`, asks for more events and more kills.
#[test]
fn a_run_killed_repeatedly_ends_as_an_undisturbed_one() {
    let soak = std::env::var_os("LETHE_SOAK").is_some();
    let (events, kills) = if soak { (500_000, 50) } else { (60_000, 20) };
    within_one_day(|| {
        let steady = steady(events, 1);
        let other = folder_to_kill(&steady);
        seed_keys(&steady.database(), &other.database());
        let started = Instant::now();
        run_with_kills(&other, &steady, kills, 2);
        let (mut left, mut right) = (dump(&steady.database()), dump(&other.database()));
        let rows = left["profiles"].len() + left["profile_history"].len();
        let letters = left["lethe_dead_letter"].len();
        forget_frames(&mut left);
        forget_frames(&mut right);
        assert_same(&left, &right);
        assert_same_files(&steady, &other);
        println!(
            "crash: {events} events, {kills} kills, {rows} rows and {letters} dead letters equal to an undisturbed \
             run, 0 lost, 0 duplicated, {:.0} s",
            started.elapsed().as_secs_f64()
        );
    });
}

#[test]
fn a_killed_run_with_its_own_keys_differs_in_sealed_values_alone() {
    within_one_day(|| {
        let events = 20_000;
        let steady = steady(events, 3);
        let other = folder_to_kill(&steady);
        let kills = 6;
        run_with_kills(&other, &steady, kills, 4);
        let (mut left, mut right) = (dump(&steady.database()), dump(&other.database()));
        assert!(left["lethe_keys"] != right["lethe_keys"] && left["profiles"] != right["profiles"]);
        for dump in [&mut left, &mut right] {
            for rows in [("lethe_keys", 5), ("lethe_day_keys", 4), ("lethe_dead_letter", 10)] {
                cut(dump, rows.0, rows.1);
            }
            let profiles = dump.get_mut("profiles").unwrap();
            *profiles = profiles.iter().map(|row| without_sealed(row)).collect();
            forget_frames(dump);
        }
        assert_same(&left, &right);
        assert_same_files(&steady, &other);
        println!("crash, keys of its own: {events} events, {kills} kills, 0 lost, 0 duplicated");
    });
}

/// Runs a test again if midnight fell into it: dead letters of unreadable subjects are sealed with
/// the key of the UTC day.
pub fn within_one_day(test: impl Fn()) {
    let day = || jiff::Timestamp::now().as_second().div_euclid(86_400);
    let before = day();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&test));
    match outcome {
        Err(_) if day() != before => test(),
        Err(panic) => std::panic::resume_unwind(panic),
        Ok(()) => {}
    }
}

/// Creates a folder and runs its pipeline to the end.
pub fn steady(events: u64, seed: u64) -> Folder {
    let folder = Folder::of_example("laptop");
    let manifest = fs::read_to_string(folder.file("pipeline.yaml")).unwrap();
    let (head, tail) = manifest.split_once("    - name: clean\n").unwrap();
    folder.write("pipeline.yaml", format!("{head}{PACKED}    - name: clean\n{tail}"));
    folder.write("profiles.ndjson", generate(mixed_events(events, seed)).0);
    assert_eq!(finish_within(&mut folder.run_command(&[]), WHOLE_RUN).counts().events(), events);
    folder
}

/// Creates a folder with the same manifests, keys and events, without a run.
fn folder_to_kill(steady: &Folder) -> Folder {
    let other = Folder::empty();
    other.share(steady, &["pipeline.yaml", "store.yaml", "keys.yaml", "profiles.ndjson"]);
    other
}

/// Creates a store with the keys of another and nothing else.
pub fn seed_keys(from: &Path, to: &Path) {
    dump::open(from).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    fs::copy(from, to).unwrap();
    let connection = dump::open(to);
    let names = |kind: &str| -> Vec<String> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite_%'";
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([kind], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    for view in names("view") {
        connection.execute_batch(&format!("DROP VIEW {view}")).unwrap();
    }
    for table in names("table") {
        if !table.starts_with("lethe_") {
            connection.execute_batch(&format!("DROP TABLE {table}")).unwrap();
        } else if !KEY_TABLES.contains(&table.as_str()) {
            connection.execute_batch(&format!("DELETE FROM {table}")).unwrap();
        }
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// Runs to the end of the source with so many kills. One kill in four comes at a random moment
/// after the start, while stores are opened and files are truncated. The others come a random
/// moment after a random length of the output file, so that they spread over the run.
fn run_with_kills(folder: &Folder, steady: &Folder, kills: usize, seed: u128) {
    let mut random = Pcg64Mcg::new((seed << 1) | 1);
    let length = fs::metadata(steady.file("clean.ndjson")).unwrap().len();
    let mut below = |bound: u64| random.next_u64() % bound;
    let mut points: Vec<u64> = (0..kills).map(|_| below(length * 9 / 10)).collect();
    points.sort_unstable();
    for (number, point) in points.into_iter().enumerate() {
        let early = number % 4 == 3;
        let mut moment = Duration::from_micros(below(if early { 250_000 } else { 30_000 }));
        while !killed(folder, (!early).then_some(point), moment) {
            // The run ended before the kill. The next one has nothing to do, and is killed at its
            // start.
            moment = Duration::from_micros(below(20_000));
        }
    }
    folder.counts(&[]);
}

/// Starts a run and kills it at a moment after its start, or after a length of its output file.
/// Returns `false` if it ended before.
fn killed(folder: &Folder, point: Option<u64>, moment: Duration) -> bool {
    let mut run = Running::start(&mut folder.run_command(&[]));
    let started = Instant::now();
    while point.is_some_and(|point| written(folder) < point) && !run.has_ended() {
        assert!(started.elapsed() < Duration::from_secs(120), "the run does not advance");
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(moment);
    let ended = run.kill();
    match ended.code {
        None => true,
        Some(0) => false,
        Some(code) => panic!("it failed before the kill, with {code}: {}", ended.err()),
    }
}

/// Returns the length of the output file.
fn written(folder: &Folder) -> u64 {
    fs::metadata(folder.file("clean.ndjson")).map_or(0, |file| file.len())
}

/// Removes the length of the packed file: it has a frame per batch, and a kill ends a batch.
pub fn forget_frames(dump: &mut Dump) {
    let progress = dump.get_mut("lethe_progress").unwrap();
    let before = progress.len();
    progress.retain(|row| !row.contains("'mark'|'packed"));
    assert_eq!(progress.len(), before - 2, "its length and its fingerprint");
}

fn assert_same_files(left: &Folder, right: &Folder) {
    assert!(left.read("clean.ndjson") == right.read("clean.ndjson"), "clean.ndjson differs");
    let unpacked = |folder: &Folder| zstd::decode_all(&folder.read("packed.ndjson.zst")[..]).unwrap();
    assert!(unpacked(left) == unpacked(right), "packed.ndjson.zst differs");
}

/// Removes column `at` of a table, which holds sealed bytes.
fn cut(dump: &mut Dump, table: &str, at: usize) {
    let rows = dump.get_mut(table).unwrap();
    for row in rows.iter_mut() {
        let mut cells: Vec<&str> = row.split('|').collect();
        assert!(cells[at].starts_with("X'"), "column {at} of {table}: {}", cells[at]);
        cells.remove(at);
        *row = cells.join("|");
    }
}

/// Returns a row of the profiles without the sealed fields of its document.
fn without_sealed(row: &str) -> String {
    let Some((head, document)) = row.split_once("|'{") else { return row.to_owned() };
    let document = format!("{{{}", document.strip_suffix('\'').unwrap()).replace("''", "'");
    let mut document: BTreeMap<String, Value> = serde_json::from_str(&document).unwrap();
    for sealed in ["name", "email", "national_id"] {
        document.remove(sealed);
    }
    if let Some(address) = document.get_mut("address").and_then(Value::as_object_mut) {
        address.remove("city");
    }
    format!("{head}|{}", serde_json::to_string(&document).unwrap())
}

/// A kill in the middle of a write leaves a valid SQLite file.
#[test]
fn a_killed_run_leaves_a_valid_database() {
    let folder = Folder::of_example("laptop");
    folder.write("profiles.ndjson", generate(mixed_events(20_000, 5)).0);
    let mut random = Pcg64Mcg::new(11);
    for _ in 0..5 {
        let run = Running::start(&mut folder.run_command(&["--from-start"]));
        thread::sleep(Duration::from_micros(50_000 + random.next_u64() % 500_000));
        run.kill();
        if folder.database().exists() {
            let connection = Connection::open(folder.database()).unwrap();
            let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(verdict, "ok");
        }
    }
}
