//! `examples/streaming` works as it stands: the commands in its comment, one after another, on the
//! servers of the tests and under names that nobody else has.

use std::{fs, os::unix::fs::symlink, process::Command};

use lethe_tests::engines::engines;

use crate::{
    folder::repository,
    stage::Stage,
    worker::{PROGRAM, finish},
};

/// Addresses and names of the example, and what stands for them here.
fn translated(text: &str, stage: &Stage) -> String {
    [
        ("127.0.0.1:19092", engines().kafka()),
        ("127.0.0.1:19042", engines().cassandra()),
        ("127.0.0.1:29017", engines().mongodb()),
        // The stage has made a topic: it stands for the output, so that the commands can make the source.
        ("user_profiles_clean", &stage.source()),
        ("user_profiles_dead", &stage.dead()),
        ("user_profiles", &stage.clean()),
        ("shop", &stage.keyspace()),
        ("database: lethe\n", &format!("database: {}\n", stage.keys())),
        ("name: profiles\nspec:\n  processing", &format!("name: {}\nspec:\n  processing", stage.pipeline())),
    ]
    .iter()
    .fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
}

#[test]
fn the_commands_in_its_comment_run() {
    let stage = Stage::new();
    let there = repository().join("examples/streaming");
    let here = stage.folder.file("examples/streaming");
    fs::create_dir_all(&here).unwrap();
    for file in ["pipeline.yaml", "store.yaml"] {
        let text = fs::read_to_string(there.join(file)).unwrap();
        fs::write(here.join(file), translated(&text, &stage)).unwrap();
    }
    let manifest = fs::read_to_string(here.join("pipeline.yaml")).unwrap();
    let comment = manifest.lines().map_while(|line| line.strip_prefix('#'));
    let block = comment.skip_while(|line| !line.starts_with("   ")).take_while(|line| line.starts_with("   "));
    let commands: Vec<&str> = block.map(str::trim_start).collect();
    assert!(commands.last().is_some_and(|last| last.starts_with("lethe-worker run -f examples/streaming/")));

    symlink(repository().join("tests"), stage.folder.file("tests")).unwrap();
    let programs = stage.folder.file("programs");
    fs::create_dir(&programs).unwrap();
    symlink(PROGRAM, programs.join("lethe-worker")).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands.join("\n")]).current_dir(stage.folder.path()).env("PATH", path);
    let ended = finish(&mut shell);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out(), ended.err());
    assert!(ended.out().contains("DELIVERED"), "{}", ended.out());
    assert!(stage.rows("profiles").len() > 500, "{}", ended.out());
}
