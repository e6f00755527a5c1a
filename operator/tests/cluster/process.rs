//! An operator that runs.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command},
};

use crate::house::awaited;

/// An operator that runs.
pub struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    pub fn new(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it takes now, in MiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Asks it to stop; answers its exit code.
    #[track_caller]
    pub fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.ends()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn ends(&mut self) -> Option<i32> {
        awaited(|| match self.child.try_wait().unwrap() {
            Some(status) => Ok(status.code()),
            None => Err(format!("it does not end: {}", self.said())),
        })
    }

    /// Asks it by HTTP; answers the status and the body.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        self.until_it_says("answering /livez");
        let said = self.said();
        let line = said.lines().find(|line| line.contains("answering /livez")).unwrap();
        let address = line.split("address=").nth(1).unwrap().trim();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[track_caller]
    pub fn until_it_says(&self, words: &str) {
        awaited(|| {
            let said = self.said();
            if said.contains(words) { Ok(()) } else { Err(format!("it does not say {words:?}: {said}")) }
        });
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
