//! The CustomResourceDefinitions that `kubectl apply -f crds/` installs.

use crate::file::{File, FileError, repository};

const COMMAND: &str = "cargo run -p xtask -- crds";

/// Returns a file for each kind: `crds/<plural>.yaml`.
pub(crate) fn files() -> Result<Vec<File>, FileError> {
    lethe_crds::crds()
        .iter()
        .map(|crd| {
            let path = repository(&format!("crds/{}.yaml", crd.spec.names.plural));
            match serde_yaml::to_string(crd) {
                Ok(yaml) => {
                    Ok(File { path, text: format!("# Written by `{COMMAND}`; do not edit.\n{yaml}"), command: COMMAND })
                }
                Err(source) => Err(FileError::Yaml { path, source }),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn kubectl_finds_no_other_manifest_beside_them() {
        let mut wanted: Vec<_> = files().unwrap().into_iter().map(|file| file.path).collect();
        let mut found: Vec<_> = fs::read_dir(repository("crds"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json"))
            .collect();
        wanted.sort();
        found.sort();
        assert_eq!(wanted, found);
    }
}
