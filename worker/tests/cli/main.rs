//! The commands of the program in a temporary folder.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, missing_docs)]

mod detect;
mod keys;
mod manifests;
mod spellings;
mod token;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use lethe_generate::{GenerateOptions, Generator, Kind};
use serde_json::Value;
use tempfile::TempDir;

const LAPTOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/laptop");

/// A temporary folder.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Creates a folder with keys and events after a run.
    fn after_a_run(events: u32) -> Self {
        let folder = Self::new();
        folder.ok(&["keys", "create", "lethe-keys"]);
        folder.generate(events);
        folder.run_pipeline();
        folder
    }

    /// Writes events of accounts to `profiles.ndjson`, up to now; one line in ten is no JSON.
    fn generate(&self, count: u32) {
        let options = GenerateOptions { not_json: 0.1, ..GenerateOptions::new(Kind::Account, count.into()) };
        let mut generator = Generator::new(options.ending_by(jiff::Timestamp::now()).unwrap()).unwrap();
        let mut lines = Vec::new();
        while generator.next_into(&mut lines) {}
        fs::write(self.path().join("profiles.ndjson"), lines).unwrap();
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

    /// Runs a command that must succeed. Returns its standard output.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// Runs a command that must fail. Returns its exit code and standard error.
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

/// Returns a command with the manifests and the keys.
fn with_keys<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [command, &["-f", LAPTOP, "-f", "lethe-keys.yaml"]].concat()
}

#[test]
fn completions_are_written_for_every_shell() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(folder.ok(&["completions", shell]).contains("lethe-worker"), "{shell}");
    }
}

#[test]
fn manual_pages_are_written_for_the_program_and_each_command() {
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
    assert!(page.contains("redrive") && page.contains("Exit codes"), "{page}");
}
