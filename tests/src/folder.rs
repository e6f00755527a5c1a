//! A folder with the manifests of a pipeline, its keys, and what it reads and writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lethe_core::keys::KeyRing;
use lethe_crds::load::read_paths;
use lethe_generate::{GenerateOptions, Generator, Kind, Summary};
use lethe_worker::open::read_ring;
use tempfile::TempDir;

use crate::{
    process::{Counts, Ended, finish, worker},
    programs::generator_program,
};

/// Returns the root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A temporary folder, which is deleted when it is dropped.
pub struct Folder(TempDir);

impl Folder {
    /// Creates an empty folder.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Creates a folder with the manifests of an example, and new keys.
    pub fn of_example(name: &str) -> Self {
        let folder = Self::empty();
        for file in fs::read_dir(repository().join("examples").join(name)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.file(file.file_name().to_str().unwrap())).unwrap();
        }
        folder.create_keys();
        folder
    }

    /// Creates a folder with this pipeline, an embedded store `store` in `lethe.sqlite`, and new
    /// keys.
    pub fn of_pipeline(pipeline: &str) -> Self {
        let folder = Self::empty();
        folder.write("pipeline.yaml", pipeline);
        fs::copy(repository().join("examples/laptop/store.yaml"), folder.file("store.yaml")).unwrap();
        folder.create_keys();
        folder
    }

    /// Writes a Secret with new keys to `keys.yaml`.
    #[track_caller]
    pub fn create_keys(&self) {
        finish(&mut self.worker(&["keys", "create", "lethe-keys", "--to", "keys.yaml"])).success();
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Returns the path of the embedded store.
    #[track_caller]
    pub fn database(&self) -> PathBuf {
        let store: serde_yaml::Value = serde_yaml::from_slice(&self.read("store.yaml")).unwrap();
        self.file(store["spec"]["embedded"]["path"].as_str().unwrap())
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.file(name), content).unwrap();
    }

    /// Reads a file.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// Replaces a text that a manifest contains exactly once.
    #[track_caller]
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {name}");
        self.write(name, text.replace(from, to));
    }

    /// Links files of another folder into this one: the same bytes with the same modification time.
    pub fn share(&self, other: &Folder, names: &[&str]) {
        for name in names {
            let _ = fs::remove_file(self.file(name));
            fs::hard_link(other.file(name), self.file(name)).unwrap();
        }
    }

    /// Returns its keys.
    pub fn ring(&self) -> KeyRing {
        let resources = read_paths(&[self.file("keys.yaml")]).unwrap();
        read_ring(resources.secret("default", "lethe-keys").unwrap()).unwrap()
    }

    /// Returns the command of `lethe-worker` with these arguments in this folder.
    pub fn worker(&self, arguments: &[&str]) -> Command {
        worker(self.path(), arguments)
    }

    /// Returns the command of `lethe-generate` with these arguments in this folder.
    pub fn generator(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(generator_program());
        command.args(arguments).current_dir(self.path()).env_remove("LETHE_LOG").stdin(Stdio::null());
        command
    }

    /// Returns the command that runs the pipeline to the end of its source.
    pub fn run_command(&self, more: &[&str]) -> Command {
        let mut command = self.worker(&["run", "-f", ".", "--until-end", "--quiet", "--output", "json"]);
        command.args(more);
        command
    }

    /// Runs the pipeline to the end of its source.
    #[track_caller]
    pub fn run(&self, more: &[&str]) -> Ended {
        finish(&mut self.run_command(more))
    }

    /// Runs the pipeline to the end of its source, and fails the test unless it succeeds.
    #[track_caller]
    pub fn counts(&self, more: &[&str]) -> Counts {
        self.run(more).counts()
    }
}

/// Returns options for a stream of account events of every sort: valid, duplicate, invalid, late
/// and without consent. The last event is a minute old, so none reaches a `maxAge` of the examples.
pub fn mixed_events(count: u64, seed: u64) -> GenerateOptions {
    let options = GenerateOptions {
        seed,
        duplicates: 0.05,
        invalid: 0.05,
        not_json: 0.03,
        no_consent: 0.07,
        late: 0.10,
        deletes: 0.02,
        ..GenerateOptions::new(Kind::Account, count)
    };
    let span = options.span_millis() + 60_000;
    let start = jiff::Timestamp::now().as_millisecond() - i64::try_from(span).unwrap();
    GenerateOptions { start: jiff::Timestamp::from_millisecond(start).unwrap(), ..options }
}

/// Generates a stream. Returns its lines and the summary.
pub fn generate(options: GenerateOptions) -> (Vec<u8>, Summary) {
    let mut generator = Generator::new(options).unwrap();
    let mut lines = Vec::new();
    while generator.next_into(&mut lines) {}
    (lines, generator.summary())
}
