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

    /// A directory with Secrets as a pod mounts them, DIR/<secret>/<key>, of the pipelines' namespaces.
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
    fn mounted_secrets_are_those_of_the_pipelines_namespaces_and_the_kubelet_s_own_files_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("pipeline.yaml"), include_str!("../../../examples/streaming/pipeline.yaml")).unwrap();
        // As a kubelet mounts one: a link to a folder of the version.
        fs::create_dir_all(at("secrets/lethe-keys/..2026")).unwrap();
        fs::write(at("secrets/lethe-keys/..2026/root"), "zxqvbyjkroot").unwrap();
        fs::write(at("secrets/lethe-keys/root"), "zxqvbyjkroot").unwrap();
        let files = Files { paths: vec![at("pipeline.yaml")], secrets: Some(at("secrets")) };
        let resources = files.read().unwrap_or_else(|_| panic!("it is read"));
        let secret = resources.secret("default", "lethe-keys").unwrap();
        assert_eq!(secret.data.keys().collect::<Vec<_>>(), ["root"]);
        assert!(crate::open::may_read(secret), "whoever mounted it has looked");
        assert!(!format!("{secret:?}").contains("zxqvbyjk"));
        let nowhere = Files { secrets: Some(at("nowhere")), ..files };
        assert!(nowhere.read().is_err());
    }
}
