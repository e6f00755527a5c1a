//! A folder with the manifests of a pipeline, its keys, and what it reads and writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lethe_core::keys::KeyRing;
use lethe_crds::load::read_paths;
use lethe_worker::{
    generate::{GenerateOptions, Generator, Kind, Summary},
    open::read_ring,
};
use tempfile::TempDir;

use crate::worker::{Counts, Ended, finish, worker};

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A folder that goes when the test ends.
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with the manifests of an example, and new keys.
    pub fn of_example(name: &str) -> Self {
        let folder = Self::empty();
        for file in fs::read_dir(repository().join("examples").join(name)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.file(file.file_name().to_str().unwrap())).unwrap();
        }
        folder.create_keys();
        folder
    }

    /// One with this pipeline, an embedded store `store` in `lethe.sqlite`, and new keys.
    pub fn of_pipeline(pipeline: &str) -> Self {
        let folder = Self::empty();
        folder.write("pipeline.yaml", pipeline);
        fs::copy(repository().join("examples/laptop/store.yaml"), folder.file("store.yaml")).unwrap();
        folder.create_keys();
        folder
    }

    /// Puts a Secret with new keys into `keys.yaml`.
    #[track_caller]
    pub fn create_keys(&self) {
        finish(&mut self.worker(&["keys", "create", "lethe-keys", "--to", "keys.yaml"])).well();
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The embedded store's file.
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

    /// Replaces a text of a manifest that stands there once.
    #[track_caller]
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {name}");
        self.write(name, text.replace(from, to));
    }

    /// Takes a file and the keys over from another folder: the same bytes, of the same time.
    pub fn share(&self, other: &Folder, names: &[&str]) {
        for name in names {
            let _ = fs::remove_file(self.file(name));
            fs::hard_link(other.file(name), self.file(name)).unwrap();
        }
    }

    /// Its keys.
    pub fn ring(&self) -> KeyRing {
        let resources = read_paths(&[self.file("keys.yaml")]).unwrap();
        read_ring(resources.secret("default", "lethe-keys").unwrap()).unwrap()
    }

    /// `lethe-worker` with these arguments, in this folder.
    pub fn worker(&self, arguments: &[&str]) -> Command {
        worker(self.path(), arguments)
    }

    /// `lethe-worker run` of what is here, to the end of the source.
    pub fn runs(&self, more: &[&str]) -> Command {
        let mut command = self.worker(&["run", "-f", ".", "--until-end", "--quiet", "--output", "json"]);
        command.args(more);
        command
    }

    /// Runs the pipeline to the end of its source.
    #[track_caller]
    pub fn run(&self, more: &[&str]) -> Ended {
        finish(&mut self.runs(more))
    }

    /// Runs the pipeline to the end of its source, which must go well.
    #[track_caller]
    pub fn counts(&self, more: &[&str]) -> Counts {
        self.run(more).counts()
    }
}

/// Events of every sort, about accounts: half of them are none that a pipeline delivers at once.
/// They end a minute before now, so that no age of the example is reached.
pub fn troubled(count: u64, seed: u64) -> GenerateOptions {
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

/// The lines of a stream, and what it says of them.
pub fn generate(options: GenerateOptions) -> (Vec<u8>, Summary) {
    let mut generator = Generator::new(options).unwrap();
    let mut lines = Vec::new();
    while generator.next_into(&mut lines) {}
    (lines, generator.summary())
}
