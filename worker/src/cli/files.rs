//! The manifests that a command uses.

use std::path::PathBuf;

use clap::Args;
use lethe_crds::load::{Resources, read_paths};

use super::Failure;

/// Options that select manifests.
#[derive(Args, Clone, Debug)]
pub(crate) struct Files {
    /// A manifest, a directory of manifests (*.yaml, *.yml, *.json), or - for standard input. May
    /// be repeated.
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", required = true)]
    paths: Vec<PathBuf>,

    /// A directory with the Secrets of the pipelines' namespaces as a pod mounts them,
    /// DIR/<secret>/<key>.
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

impl Files {
    pub(crate) fn read(&self) -> Result<Resources, Failure> {
        let mut resources = read_paths(&self.paths)?;
        if let Some(folder) = &self.secrets {
            resources.add_mounted(folder)?;
        }
        Ok(resources)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn mounted_secrets_have_the_pipelines_namespaces_and_no_files_of_the_kubelet() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("pipeline.yaml"), include_str!("../../../examples/streaming/pipeline.yaml")).unwrap();
        // A kubelet mounts a Secret as links into a directory per version.
        fs::create_dir_all(at("secrets/lethe-keys/..2026")).unwrap();
        fs::write(at("secrets/lethe-keys/..2026/root"), "zxqvbyjkroot").unwrap();
        fs::write(at("secrets/lethe-keys/root"), "zxqvbyjkroot").unwrap();
        let files = Files { paths: vec![at("pipeline.yaml")], secrets: Some(at("secrets")) };
        let resources = files.read().unwrap_or_else(|_| panic!("it is read"));
        let secret = resources.secret("default", "lethe-keys").unwrap();
        assert_eq!(secret.data.keys().collect::<Vec<_>>(), ["root"]);
        assert!(crate::open::may_read(secret), "mounting a Secret allows to read it");
        assert!(!format!("{secret:?}").contains("zxqvbyjk"));
        let nowhere = Files { secrets: Some(at("nowhere")), ..files };
        assert!(nowhere.read().is_err());
    }
}
