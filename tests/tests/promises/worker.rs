//! Running `lethe-worker`: with a deadline, so that a stall is a failure and not a wait.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The program, built from the worker's own source.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lethe-worker-under-test");

/// How long a run may take where a test says nothing else: far above what any of them needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a run ended.
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What it answered.
    pub out: Vec<u8>,
    /// What it said about its work.
    pub err: Vec<u8>,
}

impl Ended {
    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }

    /// Fails the test unless the run ended well.
    #[track_caller]
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "standard error: {}", self.err());
        self
    }

    /// The counts of a run that ended well with `--output json`.
    #[track_caller]
    pub fn counts(self) -> Counts {
        let answer: Value = serde_json::from_slice(&self.well().out).unwrap();
        Counts(answer["counts"].clone())
    }
}

/// What a run says became of its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts(Value);

impl Counts {
    /// Events read.
    pub fn events(&self) -> u64 {
        self.0["events"].as_u64().unwrap()
    }

    /// Events with this outcome at a sink.
    #[track_caller]
    pub fn of(&self, sink: &str, outcome: &str) -> u64 {
        self.0["sinks"][sink][outcome].as_u64().unwrap_or_else(|| panic!("no count {outcome} of {sink}: {self:?}"))
    }

    /// Every outcome at a sink: name and number.
    pub fn outcomes(&self, sink: &str) -> Vec<(String, u64)> {
        let of_sink = self.0["sinks"][sink].as_object().unwrap();
        of_sink.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
    }

    /// The outcomes at a sink that came to pass, as `delivered 3, rejected 1`.
    pub fn seen(&self, sink: &str) -> String {
        let seen = self.outcomes(sink).into_iter().filter(|(_, count)| *count > 0);
        let mut seen: Vec<String> = seen.map(|(name, count)| format!("{name} {count}")).collect();
        seen.sort();
        seen.join(", ")
    }

    /// Names of the sinks.
    pub fn sinks(&self) -> Vec<String> {
        self.0["sinks"].as_object().unwrap().keys().cloned().collect()
    }

    /// Rejected events by reason, as `NotJson 1, SchemaViolation 2`.
    pub fn reasons(&self) -> String {
        let rejected = self.0["rejected"].as_object().unwrap();
        let mut reasons: Vec<String> = rejected.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        reasons.sort();
        reasons.join(", ")
    }

    /// Events rejected for a reason.
    pub fn rejected_for(&self, reason: &str) -> u64 {
        self.0["rejected"][reason].as_u64().unwrap_or(0)
    }
}

/// The program with arguments, in a folder, with nothing of this process's surroundings that could
/// change what it does.
pub fn worker(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder).env_remove("LETHE_LOG").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs a command to its end; fails the test when that takes too long.
#[track_caller]
pub fn finish(command: &mut Command) -> Ended {
    finish_within(command, PATIENCE)
}

/// Runs a command to its end; fails the test when that takes longer than `patience`.
#[track_caller]
pub fn finish_within(command: &mut Command, patience: Duration) -> Ended {
    Running::start(command).finish_within(patience)
}

/// A command that runs. Whoever drops it ends it.
pub struct Running {
    child: Child,
    out: Option<JoinHandle<Vec<u8>>>,
    err: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: Some(collect(out)), err: Some(collect(err)) }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, with SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it with SIGKILL: it learns nothing of it.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.collect()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish_within(mut self, patience: Duration) -> Ended {
        let started = Instant::now();
        while !self.has_ended() {
            if started.elapsed() > patience {
                let ended = self.kill();
                panic!("it still ran after {patience:?}; standard error: {}", ended.err());
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.collect()
    }

    fn collect(&mut self) -> Ended {
        let code = self.child.wait().unwrap().code();
        let text = |reader: &mut Option<JoinHandle<Vec<u8>>>| reader.take().unwrap().join().unwrap();
        Ended { code, out: text(&mut self.out), err: text(&mut self.err) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}
