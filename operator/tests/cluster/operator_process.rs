//! A running operator.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command},
};

use crate::control_plane::wait_until;

/// An operator that runs. It is killed when it is dropped.
pub struct OperatorProcess {
    child: Child,
    log: PathBuf,
}

impl OperatorProcess {
    pub fn new(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its resident memory in MiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until its log contains a text.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        wait_until(|| {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(format!("the log does not contain {text:?}: {log}")) }
        });
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Sends SIGTERM and waits for the end. Returns the exit code.
    #[track_caller]
    pub fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.wait_for_exit()
    }

    /// Waits until it ends. Returns the exit code.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> Option<i32> {
        wait_until(|| match self.child.try_wait().unwrap() {
            Some(status) => Ok(status.code()),
            None => Err(format!("it does not end: {}", self.log())),
        })
    }

    /// Requests a page. Returns the status code and the body.
    #[track_caller]
    pub fn http_get(&self, path: &str) -> (u16, String) {
        self.wait_for_log("answering /livez");
        let log = self.log();
        let line = log.lines().find(|line| line.contains("answering /livez")).unwrap();
        let address = line.split("address=").nth(1).unwrap().trim();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Returns how many reconciles of a kind have succeeded since it started.
    #[track_caller]
    pub fn reconciles(&self, kind: &str) -> usize {
        let (_, metrics) = self.http_get("/metrics");
        let series = format!("lethe_operator_reconciles_total{{kind=\"{kind}\",outcome=\"success\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or(0)
    }

    /// Waits until so many more reconciles of a kind have succeeded.
    #[track_caller]
    pub fn wait_for_reconciles(&self, kind: &str, more: usize) {
        let before = self.reconciles(kind);
        wait_until(|| {
            let new = self.reconciles(kind) - before;
            if new >= more { Ok(()) } else { Err(format!("{new} of {more} more reconciles of {kind}")) }
        });
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
