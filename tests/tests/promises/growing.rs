//! A file that grows, or that is replaced, while the run that follows it is killed at random
//! moments: each of its lines arrives once.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    thread,
    time::Duration,
};

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use crate::{
    crash::{forget_frames, seed_keys, steady, within_one_day},
    dump::{assert_same, dump},
};
use lethe_tests::{
    folder::{Folder, generate, mixed_events},
    process::{Running, finish_within},
};

const SOURCE: &str = "profiles.ndjson";
const PATIENCE: Duration = Duration::from_secs(300);

/// Creates a folder with the manifests and keys of another, and an empty source.
fn folder_like(steady: &Folder) -> Folder {
    let folder = Folder::empty();
    folder.share(steady, &["pipeline.yaml", "store.yaml", "keys.yaml"]);
    folder.write(SOURCE, "");
    seed_keys(&steady.database(), &folder.database());
    folder
}

/// Appends bytes in random pieces, which end anywhere in a line.
fn append(path: PathBuf, bytes: &[u8], seed: u128) {
    let mut random = Pcg64Mcg::new((seed << 1) | 1);
    let mut file = File::options().append(true).open(path).unwrap();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = (1 + random.next_u64() as usize % 8_000).min(rest.len());
        file.write_all(&rest[..length]).unwrap();
        rest = &rest[length..];
        thread::sleep(Duration::from_millis(random.next_u64() % 12));
    }
}

/// Follows the source for a random time and kills the run.
fn follow_and_kill(folder: &Folder, random: &mut Pcg64Mcg) {
    let run = Running::start(&mut folder.worker(&["run", "-f", ".", "--quiet"]));
    thread::sleep(Duration::from_millis(20 + random.next_u64() % 900));
    let ended = run.kill();
    assert_eq!(ended.code, None, "it ended by itself: {}", ended.err());
}

/// Reads the rest, and compares everything with an undisturbed run.
fn finish_and_compare(folder: &Folder, steady: &Folder) {
    finish_within(&mut folder.run_command(&[]), PATIENCE).counts();
    let (mut left, mut right) = (dump(&steady.database()), dump(&folder.database()));
    forget_frames(&mut left);
    forget_frames(&mut right);
    assert_same(&left, &right);
    assert!(steady.read("clean.ndjson") == folder.read("clean.ndjson"), "clean.ndjson differs");
}

#[test]
fn a_growing_file_is_followed_by_killed_runs_without_a_loss() {
    within_one_day(|| {
        let steady = steady(4_000, 21);
        let folder = folder_like(&steady);
        let (path, bytes) = (folder.file(SOURCE), steady.read(SOURCE));
        let writer = thread::spawn(move || append(path, &bytes, 22));
        let (mut random, mut kills) = (Pcg64Mcg::new(47), 0);
        while !writer.is_finished() || kills < 8 {
            follow_and_kill(&folder, &mut random);
            kills += 1;
        }
        writer.join().unwrap();
        finish_and_compare(&folder, &steady);
        println!("growing file: 4000 events, {kills} kills, 0 lost, 0 duplicated");
    });
}

#[test]
fn a_replaced_file_is_read_from_its_start_by_killed_runs_without_a_loss() {
    within_one_day(|| {
        let steady = steady(1_500, 23);
        let first = steady.read(SOURCE);
        // Longer than the file before, so that its length doesn't show the change.
        let next = generate(mixed_events(4_000, 24)).0;
        let replace = |folder: &Folder| {
            folder.write("next", &next);
            fs::rename(folder.file("next"), folder.file(SOURCE)).unwrap();
        };
        replace(&steady);
        let ended = finish_within(&mut steady.run_command(&[]), PATIENCE);
        assert!(ended.err().contains("it is read from its start"), "{}", ended.err());
        assert!(ended.out().contains(r#""replacedFiles":["profiles.ndjson"]"#), "{}", ended.out());
        assert_eq!(ended.counts().events(), 4_000);

        let folder = folder_like(&steady);
        folder.write(SOURCE, first);
        folder.counts(&[]);
        replace(&folder);
        let mut random = Pcg64Mcg::new(49);
        for _ in 0..6 {
            follow_and_kill(&folder, &mut random);
        }
        finish_and_compare(&folder, &steady);
        println!("replaced file: 1500 and 4000 events, 6 kills, 0 lost, 0 duplicated");
    });
}
