//! The engines that are measured against: an instance of their own, with the collector that servers
//! run with.

use std::{collections::HashMap, path::Path, process::Command};

pub struct Engines {
    facts: HashMap<String, String>,
}

impl Engines {
    /// Starts them, or takes those that the environment names.
    pub fn start() -> Self {
        let up = Path::new(env!("CARGO_MANIFEST_DIR")).join("engines/up");
        let said = Command::new(up)
            .env("KAFKA_JVM", "-XX:+UseG1GC")
            .env("CASSANDRA_JVM", "-XX:+UseG1GC")
            .stderr(std::process::Stdio::inherit())
            .output()
            .unwrap();
        assert!(said.status.success(), "the engines don't start");
        let facts = String::from_utf8(said.stdout).unwrap();
        let facts = facts.lines().filter_map(|line| line.split_once('='));
        Self { facts: facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
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
