//! The verdicts of a real API server about every manifest of `crds/testdata/verdicts.yaml`, which
//! the loader's tests compare with its own. Nothing is written there (`--dry-run=server`).

use std::{
    io::{self, Write},
    process::{Command, Output, Stdio},
};

use serde::{Deserialize, Serialize};

use crate::file::{File, FileError, read, repository};

const COMMAND: &str = "cargo run -p xtask -- verdicts";

#[derive(Serialize, Deserialize)]
struct Verdicts {
    server: String,
    cases: Vec<Case>,
}

#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    says: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stricter: Option<String>,
    manifest: String,
}

/// Asks the server that kubectl reaches, and returns the file with its verdicts.
pub(crate) fn files() -> Result<Vec<File>, FileError> {
    let path = repository("crds/testdata/verdicts.yaml");
    let yaml = |source| FileError::Yaml { path: path.clone(), source };
    let mut verdicts: Verdicts = serde_yaml::from_str(&read(&path)?).map_err(yaml)?;
    verdicts.server = version()?;
    for case in &mut verdicts.cases {
        let output = apply(&case.manifest).map_err(|error| FileError::Server(error.to_string()))?;
        let accepted = output.status.success();
        case.server = String::from(if accepted { "Accepted" } else { "Refused" });
        let message = String::from_utf8_lossy(&output.stderr);
        let message = message.lines().collect::<Vec<_>>().join(" ");
        case.says = (!accepted).then(|| message.chars().take(300).collect());
        println!("{:8} {}", case.server, case.name);
    }
    let text = serde_yaml::to_string(&verdicts).map_err(yaml)?;
    Ok(vec![File { path, text: format!("# Verdicts by `{COMMAND}`.\n{text}"), command: COMMAND }])
}

/// Returns the version of the server.
fn version() -> Result<String, FileError> {
    let server = |error: String| FileError::Server(error);
    let output = Command::new("kubectl").args(["version", "-o", "json"]).output().map_err(|e| server(e.to_string()))?;
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| server(e.to_string()))?;
    let version = version["serverVersion"]["gitVersion"].as_str();
    version.map(|version| format!("Kubernetes {version}")).ok_or_else(|| server("no server answers".to_owned()))
}

fn apply(manifest: &str) -> io::Result<Output> {
    let mut kubectl = Command::new("kubectl")
        .args(["apply", "--dry-run=server", "--validate=strict", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // Dropped at the end of the statement, so that kubectl reads its end.
    kubectl.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?.write_all(manifest.as_bytes())?;
    kubectl.wait_with_output()
}
