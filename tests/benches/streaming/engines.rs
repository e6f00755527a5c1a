//! The engines that are measured against: an instance of their own, with the collector that servers
//! run with, and the faster of the servers that stand for MongoDB.

use std::{
    collections::HashMap,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub struct Engines {
    facts: HashMap<String, String>,
    folder: TempDir,
}

impl Engines {
    /// Starts them, or takes those that the environment names.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let said = script("up", &folder)
            .envs([("KAFKA_PORT", "19192"), ("CASSANDRA_PORT", "19142"), ("MONGO_PORT", "29117")])
            .envs([("KAFKA_JVM", "-XX:+UseG1GC"), ("CASSANDRA_JVM", "-XX:+UseG1GC"), ("MONGO_SERVER", "rust")])
            .output()
            .unwrap();
        let facts = String::from_utf8(said.stdout).unwrap();
        let facts = facts.lines().filter_map(|line| line.split_once('='));
        // Whatever has started is ended with it.
        let engines = Self { facts: facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), folder };
        assert!(said.status.success(), "the engines don't start");
        engines
    }

    pub fn kafka(&self) -> &str {
        &self.facts["LETHE_TEST_KAFKA"]
    }

    pub fn cassandra(&self) -> &str {
        &self.facts["LETHE_TEST_CASSANDRA"]
    }

    pub fn mongodb(&self) -> &str {
        &self.facts["LETHE_TEST_MONGODB"]
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        if let Err(error) = script("down", &self.folder).args(["--kill", "--wipe"]).status() {
            eprintln!("the engines in {} still run: {error}", self.folder.path().display());
        }
    }
}

fn script(name: &str, folder: &TempDir) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("engines").join(name));
    command.env("LETHE_ENGINES_DIR", folder.path()).stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}
