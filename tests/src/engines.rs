//! The servers that tests and benches use. Scripts in `tests/engines` start them, unless variables
//! name running ones.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// Addresses and files of servers: the `name=value` lines that their scripts print.
#[derive(Clone, Default)]
pub struct Engines(BTreeMap<String, String>);

/// Returns the servers that tests share. The first call starts them.
pub fn engines() -> &'static Engines {
    static ENGINES: OnceLock<Engines> = OnceLock::new();
    ENGINES.get_or_init(|| Engines::of(&script(&scripts().join("up"), &[], &[])))
}

impl Engines {
    fn of(facts: &str) -> Self {
        let facts = facts.lines().filter_map(|line| line.split_once('='));
        Self(facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Returns these facts, with those of `others` in place of the same names.
    #[must_use]
    pub fn with(mut self, others: &Self) -> Self {
        self.0.extend(others.0.clone());
        self
    }

    /// Returns a fact, if there is one: a server that a variable names has only its address.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    #[track_caller]
    fn fact(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("tests/engines does not print {name}"))
    }

    /// Returns `host:port` of Kafka.
    pub fn kafka(&self) -> &str {
        self.fact("LETHE_TEST_KAFKA")
    }

    /// Returns `host:port` of Cassandra.
    pub fn cassandra(&self) -> &str {
        self.fact("LETHE_TEST_CASSANDRA")
    }

    /// Returns `host:port` of the server with MongoDB's protocol.
    pub fn mongodb(&self) -> &str {
        self.fact("LETHE_TEST_MONGODB")
    }

    /// Returns the folder of the certificates.
    pub fn tls(&self) -> &Path {
        Path::new(self.fact("TLS_DIR"))
    }
}

/// A server of one test or bench. It is killed and its data are deleted when it is dropped.
pub struct PrivateEngine {
    engine: &'static str,
    folder: TempDir,
    /// The port where it listens.
    pub port: u16,
    settings: Vec<(String, String)>,
    /// Its facts.
    pub facts: Engines,
}

impl PrivateEngine {
    /// Starts a server of an engine (`kafka`, `cassandra`, `mongo`) with these settings on a free
    /// port.
    pub fn start(engine: &'static str, settings: &[(&str, &str)]) -> Self {
        let (folder, named) = (tempfile::tempdir().unwrap(), format!("{}_PORT", engine.to_uppercase()));
        let given = settings.iter().find(|(name, _)| *name == named).map(|(_, port)| port.parse().unwrap());
        let port = given.unwrap_or_else(free_port);
        let mut all = vec![
            (named, port.to_string()),
            ("LETHE_ENGINES_DIR".to_owned(), folder.path().to_str().unwrap().to_owned()),
        ];
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let facts = Engines::of(&script(&scripts().join(engine).join("up"), &[], &all));
        Self { engine, folder, port, settings: all, facts }
    }

    /// Stops it, or some of its nodes; with `--kill` by SIGKILL. Its data are kept.
    pub fn down(&self, arguments: &[&str]) {
        script(&scripts().join(self.engine).join("down"), arguments, &self.settings);
    }

    /// Starts what was stopped, and waits until it serves.
    pub fn up(&self) {
        script(&scripts().join(self.engine).join("up"), &[], &self.settings);
    }

    /// Runs a program of its engine. Returns its output.
    pub fn tool(&self, arguments: &[&str]) -> String {
        script(&scripts().join(self.engine).join("tool"), arguments, &self.settings)
    }

    /// Returns `host:port`.
    pub fn at(&self, host: &str) -> String {
        format!("{host}:{}", self.port)
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        script(&scripts().join(self.engine).join("down"), &["--kill", "--wipe"], &self.settings);
        assert!(self.folder.path().is_absolute());
    }
}

/// Returns a free port with free ports after it, as an engine takes several. They may be taken by
/// others until it starts.
fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first < 60_000 && (first..first + 5).all(free) {
            return first;
        }
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("engines")
}

fn script(path: &Path, arguments: &[&str], settings: &[(String, String)]) -> String {
    let mut command = Command::new(path);
    if !settings.is_empty() {
        // A private server is started even if variables name running ones.
        for named in ["LETHE_TEST_KAFKA", "LETHE_TEST_CASSANDRA", "LETHE_TEST_MONGODB"] {
            command.env_remove(named);
        }
    }
    let settings = settings.iter().map(|(name, value)| (name, value));
    let output = command.args(arguments).envs(settings).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
