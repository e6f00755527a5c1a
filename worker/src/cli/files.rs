//! The manifests that a command works with.

use std::path::PathBuf;

use clap::Args;
use lethe_crds::load::{Resources, read_paths};

use super::Failure;

/// Which manifests.
#[derive(Args, Clone, Debug)]
pub(crate) struct Files {
    /// A manifest, a directory of manifests (*.yaml, *.yml, *.json), or - for standard input. May be
    /// given several times.
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", required = true)]
    paths: Vec<PathBuf>,
}

impl Files {
    pub(crate) fn read(&self) -> Result<Resources, Failure> {
        Ok(read_paths(&self.paths)?)
    }
}
