//! Asks a real API server about every manifest of `testdata/verdicts.yaml` and writes its verdicts
//! down. `kubectl` must reach a server on which `kubectl apply -f crds/` was run; nothing is
//! written there (`--dry-run=server`).
#![forbid(unsafe_code)]

use std::{
    error::Error,
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

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

fn main() -> Result<(), Box<dyn Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/verdicts.yaml");
    let mut verdicts: Verdicts = serde_yaml::from_str(&fs::read_to_string(path)?)?;
    let version = Command::new("kubectl").args(["version", "-o", "json"]).output()?.stdout;
    let version: serde_json::Value = serde_json::from_slice(&version)?;
    verdicts.server =
        format!("Kubernetes {}", version["serverVersion"]["gitVersion"].as_str().ok_or("kubectl reaches no server")?);
    for case in &mut verdicts.cases {
        let mut kubectl = Command::new("kubectl")
            .args(["apply", "--dry-run=server", "--validate=strict", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        kubectl.stdin.take().ok_or("no pipe")?.write_all(case.manifest.as_bytes())?;
        let output = kubectl.wait_with_output()?;
        let accepted = output.status.success();
        case.server = String::from(if accepted { "Accepted" } else { "Refused" });
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().collect::<Vec<_>>().join(" ");
        case.says = (!accepted).then(|| said.chars().take(300).collect());
        println!("{:8} {}", case.server, case.name);
    }
    let yaml = serde_yaml::to_string(&verdicts)?;
    fs::write(path, format!("# Verdicts by `cargo run -p lethe-crds --bin record-verdicts`.\n{yaml}"))?;
    Ok(())
}
