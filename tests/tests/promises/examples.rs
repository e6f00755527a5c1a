//! Examples have no mistakes, and the commands in their comments, in README.md and in docs/ run.
//!
//! - In an example, the commands are the first indented block of its first comment.
//! - In a page, they are the blocks ```` ```sh run ````, which run one after another in one folder.
//!
//! They run with `sh -eu` in a folder with `examples` and `tests`, and with
//! `lethe-worker` and `lethe-generate` on its path.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use lethe_crds::load::read_paths;
use lethe_tests::{
    folder::{Folder, repository},
    process::{Ended, finish, finish_within},
    programs::{generator_program, worker_program},
};

/// Data may have to be downloaded first.
const BOUND: Duration = Duration::from_secs(600);

fn examples() -> Vec<String> {
    let entries = fs::read_dir(repository().join("examples")).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_example_is_without_mistakes_and_warnings() {
    let names = examples();
    for name in &names {
        finish(&mut Folder::of_example(name).worker(&["lint", "--strict", "-f", "."])).success();
    }
    assert!(names.len() >= 4, "{names:?}");
}

#[test]
fn every_declared_field_of_an_example_is_in_its_plan() {
    for name in examples() {
        let folder = Folder::of_example(&name);
        let plan = finish(&mut folder.worker(&["plan", "-f", "."])).success().out();
        let resources = read_paths(&[folder.path()]).unwrap();
        for field in &resources.pipelines().next().unwrap().spec.fields {
            assert!(plan.lines().any(|line| line.contains(&field.path)), "{name}: {} in\n{plan}", field.path);
        }
    }
}

/// The example that needs servers is in `tests/streaming/example.rs`.
#[test]
fn the_commands_in_every_example_s_comment_run() {
    for name in examples().into_iter().filter(|name| name != "streaming") {
        let path = repository().join("examples").join(&name).join("pipeline.yaml");
        let commands = typed(&fs::read_to_string(path).unwrap());
        assert!(commands.contains(&format!("lethe-worker run -f examples/{name}/")), "{name}: {commands}");
        let folder = folder_for_commands();
        let ended = sh(&folder, &commands);
        assert_eq!(ended.code, Some(0), "{name}: {commands}\n{}", ended.err());
        assert!(ended.out().contains("DELIVERED"), "{name}: {}", ended.out());
    }
}

/// Returns the first indented block of a file's first comment.
fn typed(manifest: &str) -> String {
    let comment = manifest.lines().map_while(|line| line.strip_prefix('#'));
    let block = comment.skip_while(|line| !line.starts_with("   ")).take_while(|line| line.starts_with("   "));
    block.map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn the_commands_in_every_page_run() {
    for page in pages() {
        let name = page.strip_prefix(repository()).unwrap().display().to_string();
        let blocks = blocks(&fs::read_to_string(&page).unwrap());
        for block in &blocks {
            let shows = block.text.lines().any(|line| line.trim_start().starts_with("lethe-worker"));
            assert!(
                block.runs() || !block.is_shell() || !shows,
                "{name}:{}: a block shows lethe-worker and nothing runs it; begin it with ```sh run",
                block.line
            );
        }
        let folder = folder_for_commands();
        for block in blocks.iter().filter(|block| block.runs()) {
            let ended = sh(&folder, &block.text);
            assert_eq!(ended.code, Some(0), "{name}:{}: {}\n{}", block.line, block.text, ended.err());
        }
    }
}

/// Returns README.md and the pages of docs/ at any depth.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut waiting = vec![repository().join("docs")];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.extend(Some(repository().join("README.md")).filter(|readme| readme.exists()));
    pages.sort();
    pages
}

/// A fenced block of a page.
#[derive(Debug, PartialEq)]
struct Block {
    /// Line of its fence.
    line: usize,
    /// Text after the fence.
    info: String,
    text: String,
}

impl Block {
    fn is_shell(&self) -> bool {
        matches!(self.info.split_whitespace().next(), Some("sh" | "bash" | "shell" | "console"))
    }

    fn runs(&self) -> bool {
        self.info == "sh run"
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, String)> = None;
    for (at, line) in page.lines().enumerate() {
        let trimmed = line.trim_start();
        let ticks: String = trimmed.chars().take_while(|c| *c == '`').collect();
        match &mut open {
            None if ticks.len() >= 3 => {
                let info = trimmed[ticks.len()..].trim().to_owned();
                open = Some((Block { line: at + 1, info, text: String::new() }, ticks));
            }
            None => {}
            Some((_, fence)) if trimmed.trim_end() == fence => blocks.extend(open.take().map(|(block, _)| block)),
            Some((block, _)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    blocks
}

/// Creates a folder with the files that the commands of a page expect.
fn folder_for_commands() -> Folder {
    let folder = Folder::empty();
    for name in ["examples", "tests"] {
        symlink(repository().join(name), folder.file(name)).unwrap();
    }
    fs::create_dir(folder.file(".bin")).unwrap();
    symlink(worker_program(), folder.file(".bin/lethe-worker")).unwrap();
    symlink(generator_program(), folder.file(".bin/lethe-generate")).unwrap();
    folder
}

fn sh(folder: &Folder, commands: &str) -> Ended {
    finish_within(
        Command::new("sh")
            .args(["-euc", commands])
            .current_dir(folder.path())
            .env("PATH", path_with(&folder.file(".bin")))
            .env_remove("LETHE_LOG")
            .stdin(Stdio::null()),
        BOUND,
    )
}

fn path_with(folder: &Path) -> OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([folder.to_owned()].into_iter().chain(std::env::split_paths(&rest))).unwrap()
}

#[test]
fn blocks_are_found_with_their_marks() {
    let page = "a\n```sh run\nlethe-worker run\n```\n````md\n```sh\nno\n```\n````\n  ```sh\n  yes\n  ```\n";
    let found: Vec<(usize, String, bool)> =
        blocks(page).into_iter().map(|block| (block.line, block.text.clone(), block.runs())).collect();
    let block = |line, text: &str, runs| (line, text.to_owned(), runs);
    assert_eq!(
        found,
        [block(2, "lethe-worker run\n", true), block(5, "```sh\nno\n```\n", false), block(10, "  yes\n", false)]
    );
    assert_eq!(typed("# One.\n#\n#   a\n#   b\n#\n#   c\nkey: 1\n"), "a\nb\n");
}
