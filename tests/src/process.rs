//! Runs `lethe-worker` with a deadline: a run that stalls fails its test.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::programs::worker_program;

/// The default deadline of a run: far above what any of them needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run that has ended.
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
}

impl Ended {
    /// Returns standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Returns standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }

    /// Fails the test unless the exit code is 0.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use, reason = "most callers want the check alone")]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "standard error: {}", self.err());
        self
    }

    /// Returns the counts of a successful run with `--output json`.
    #[track_caller]
    pub fn counts(self) -> Counts {
        let answer: Value = serde_json::from_slice(&self.success().out).unwrap();
        Counts(answer["counts"].clone())
    }
}

/// The outcomes of events that a run reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts(Value);

impl Counts {
    /// Returns the number of events that were read.
    pub fn events(&self) -> u64 {
        self.0["events"].as_u64().unwrap()
    }

    /// Returns the number of events with this outcome at a sink.
    #[track_caller]
    pub fn of(&self, sink: &str, outcome: &str) -> u64 {
        self.0["sinks"][sink][outcome].as_u64().unwrap_or_else(|| panic!("no count {outcome} of {sink}: {self:?}"))
    }

    /// Returns every outcome at a sink and its number.
    pub fn outcomes(&self, sink: &str) -> Vec<(String, u64)> {
        let of_sink = self.0["sinks"][sink].as_object().unwrap();
        of_sink.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
    }

    /// Returns the outcomes at a sink whose number is not 0, as `delivered 3, rejected 1`.
    pub fn seen(&self, sink: &str) -> String {
        let seen = self.outcomes(sink).into_iter().filter(|(_, count)| *count > 0);
        let mut seen: Vec<String> = seen.map(|(name, count)| format!("{name} {count}")).collect();
        seen.sort();
        seen.join(", ")
    }

    /// Returns the names of the sinks.
    pub fn sinks(&self) -> Vec<String> {
        self.0["sinks"].as_object().unwrap().keys().cloned().collect()
    }

    /// Returns the numbers of rejected events by reason, as `NotJson 1, SchemaViolation 2`.
    pub fn reasons(&self) -> String {
        let rejected = self.0["rejected"].as_object().unwrap();
        let mut reasons: Vec<String> = rejected.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        reasons.sort();
        reasons.join(", ")
    }

    /// Returns the number of events rejected for a reason.
    pub fn rejected_for(&self, reason: &str) -> u64 {
        self.0["rejected"][reason].as_u64().unwrap_or(0)
    }
}

/// Returns the command of `lethe-worker` with these arguments in a folder, without the variables of
/// this process that would change its log.
pub fn worker(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(worker_program());
    command.args(arguments).current_dir(folder).env_remove("LETHE_LOG").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs a command to its end. Fails the test if that takes longer than two minutes.
#[track_caller]
pub fn finish(command: &mut Command) -> Ended {
    finish_within(command, PATIENCE)
}

/// Runs a command to its end. Fails the test if that takes longer than `patience`.
#[track_caller]
pub fn finish_within(command: &mut Command, patience: Duration) -> Ended {
    Running::start(command).finish_within(patience)
}

/// A running command. It is killed when it is dropped.
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

    /// Returns whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Returns the id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends SIGKILL and waits for its end.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.collect()
    }

    /// Waits for its end. Fails the test if that takes longer than `patience`.
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
