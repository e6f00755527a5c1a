//! `keys create`: writes a Secret with new keys.

use std::{
    io::{self, IsTerminal, Write, stdout},
    path::{Path, PathBuf},
};

use clap::Args;
use lethe_core::keys::KeyRing;
use serde_json::json;

use super::{
    generate_ring,
    manifest::{self, Header},
    secret_file,
};
use crate::cli::{Failure, Output, answer};

/// Create a keys Secret.
///
/// Generates new keys and writes them as a manifest that `run -f` and kubectl read. Only you can
/// read the file. An existing file is never overwritten.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Create {
    /// Name of the Secret, as in spec.keys.secretRef of a pipeline.
    name: String,

    /// Its namespace. Default: the one that it is applied to.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// The file to write, which must not exist, or - for a pipe. Default: NAME.yaml in the current
    /// directory.
    #[arg(long, value_name = "FILE|-")]
    to: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker keys create lethe-keys
  lethe-worker keys create lethe-keys --namespace shop --to /media/safe/lethe-keys.yaml
  lethe-worker keys create lethe-keys --to - | kubectl apply -f -";

impl Create {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        let ring = generate_ring(|random| KeyRing::generate(random))?;
        let text = manifest::write(&Header::new(self.namespace.as_deref(), &self.name), &ring)?;
        let path = self.to.unwrap_or_else(|| PathBuf::from(format!("{}.yaml", self.name)));
        if path == Path::new("-") {
            return pipe(text.as_bytes());
        }
        secret_file::create(&path, text.as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::Usage(format!(
                "{} is there already, and keys are never overwritten; name another file with --to",
                path.display()
            )),
            _ => Failure::Other(format!("failed to write {}: {error}", path.display())),
        })?;
        let in_git = secret_file::in_git(&path);
        match output {
            Output::Text => answer::text(&instructions(&self.name, &path, in_git)),
            Output::Json => answer::json(&json!({
                "secret": self.name,
                "namespace": self.namespace,
                "file": path.display().to_string(),
                "insideGit": in_git,
                "keys": ring.checks().into_iter().map(|(name, check)| json!({"name": name, "check": check})).collect::<Vec<_>>(),
            })),
        }
    }
}

/// Writes keys into a pipe. Refuses a terminal, where others might read along.
fn pipe(text: &[u8]) -> Result<(), Failure> {
    let mut out = stdout().lock();
    if out.is_terminal() {
        return Err(Failure::Usage(
            "keys are not shown on a terminal; name a file with --to, or use a pipe".to_owned(),
        ));
    }
    let written = out.write_all(text).and_then(|()| out.flush());
    written.map_err(|error| Failure::Other(format!("failed to write the Secret: {error}")))
}

fn instructions(name: &str, path: &Path, in_git: bool) -> String {
    let path = path.display();
    let git = if in_git {
        "It is inside of a Git repository NOW: move it out, or add it to .gitignore before the next commit."
    } else {
        "It belongs in no Git repository."
    };
    format!(
        "Wrote the Secret {name} to {path}, readable by you alone: a root key, a key for each audience, \
         and master-1.\n\n\
         {git}\n\
         Back it up where you keep passwords: without it nothing sealed can be opened, by anyone, ever.\n\n\
         Next:\n\
         \x20 lethe-worker lint -f MANIFESTS -f {path}\n\
         \x20 lethe-worker run -f MANIFESTS -f {path}     on this machine, or\n\
         \x20 kubectl apply -f {path}                     in a cluster\n"
    )
}
