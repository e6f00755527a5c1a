//! The commands in the comment of `examples/streaming` run as they are, on the servers of the tests
//! and with names of their own.

use std::{fs, os::unix::fs::symlink, process::Command};

use lethe_tests::{
    engines::engines,
    folder::repository,
    process::finish,
    programs::{generator_program, worker_program},
};

use crate::pipeline_fixture::PipelineFixture;

/// Replaces addresses and names of the example by those of the fixture.
fn translated(text: &str, fixture: &PipelineFixture) -> String {
    [
        ("127.0.0.1:19092", engines().kafka()),
        ("127.0.0.1:19042", engines().cassandra()),
        ("127.0.0.1:29017", engines().mongodb()),
        // The topic of the fixture is the output here: the commands create the source.
        ("user_profiles_clean", &fixture.source()),
        ("user_profiles_dead", &fixture.dead()),
        ("user_profiles", &fixture.clean()),
        ("shop", &fixture.keyspace()),
        ("database: lethe\n", &format!("database: {}\n", fixture.keys())),
        ("name: profiles\nspec:\n  processing", &format!("name: {}\nspec:\n  processing", fixture.pipeline())),
    ]
    .iter()
    .fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
}

#[test]
fn the_commands_in_its_comment_run() {
    let fixture = PipelineFixture::new();
    let there = repository().join("examples/streaming");
    let here = fixture.folder.file("examples/streaming");
    fs::create_dir_all(&here).unwrap();
    for file in ["pipeline.yaml", "store.yaml"] {
        let text = fs::read_to_string(there.join(file)).unwrap();
        fs::write(here.join(file), translated(&text, &fixture)).unwrap();
    }
    let manifest = fs::read_to_string(here.join("pipeline.yaml")).unwrap();
    let comment = manifest.lines().map_while(|line| line.strip_prefix('#'));
    let block = comment.skip_while(|line| !line.starts_with("   ")).take_while(|line| line.starts_with("   "));
    let commands: Vec<&str> = block.map(str::trim_start).collect();
    assert!(commands.last().is_some_and(|last| last.starts_with("lethe-worker run -f examples/streaming/")));

    symlink(repository().join("tests"), fixture.folder.file("tests")).unwrap();
    let programs = fixture.folder.file("programs");
    fs::create_dir(&programs).unwrap();
    symlink(worker_program(), programs.join("lethe-worker")).unwrap();
    symlink(generator_program(), programs.join("lethe-generate")).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands.join("\n")]).current_dir(fixture.folder.path()).env("PATH", path);
    let ended = finish(&mut shell);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out(), ended.err());
    assert!(ended.out().contains("DELIVERED"), "{}", ended.out());
    assert!(fixture.rows("profiles").len() > 500, "{}", ended.out());
}
