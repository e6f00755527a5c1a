//! A panic shows where, and nothing of what it says.

#![allow(clippy::unwrap_used)]

use std::process::Command;

const CHILD: &str = "LETHE_PANICS";

#[test]
fn a_panic_shows_its_place_and_not_its_message() {
    if std::env::var_os(CHILD).is_some() {
        lethe_cli::panics::hide_messages();
        panic!("the value is anna@example.com");
    }
    let name = "a_panic_shows_its_place_and_not_its_message";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let shown = String::from_utf8(child.stderr).unwrap();
    assert!(!child.status.success());
    assert!(shown.contains("panicked at cli/tests/panics.rs:"), "{shown}");
    assert!(!shown.contains("anna"), "{shown}");
}
