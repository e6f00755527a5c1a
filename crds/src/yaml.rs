//! The YAML files beside this crate, which `kubectl apply -f crds/` installs: written from the
//! types, and checked to be fresh.

use std::{fs, io, path::PathBuf};

use crate::crds;

/// The command that writes the files.
pub const COMMAND: &str = "cargo run -p lethe-crds --bin crdgen";

/// Why the files could not be written, or are not fresh.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The file system refused.
    #[error("failed to read or write {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A definition could not be written as YAML.
    #[error("failed to write {path} as YAML")]
    Yaml {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_yaml::Error,
    },
    /// A file is not what the types say.
    #[error("{path} is stale: run `{COMMAND}` and commit the result")]
    Stale {
        /// Which file.
        path: PathBuf,
    },
}

/// Every file and its content: `crds/<plural>.yaml` of the source tree this crate was built from.
pub fn files() -> Result<Vec<(PathBuf, String)>, YamlError> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for crd in crds() {
        let path = folder.join(format!("{}.yaml", crd.spec.names.plural));
        let yaml = serde_yaml::to_string(&crd).map_err(|source| YamlError::Yaml { path: path.clone(), source })?;
        files.push((path, format!("# Written by `{COMMAND}`; do not edit.\n{yaml}")));
    }
    Ok(files)
}

/// Writes every file.
pub fn write() -> Result<(), YamlError> {
    for (path, text) in files()? {
        fs::write(&path, text).map_err(|source| YamlError::Io { path, source })?;
    }
    Ok(())
}

/// Tells whether every file is what the types say.
pub fn check() -> Result<(), YamlError> {
    for (path, text) in files()? {
        match fs::read_to_string(&path) {
            Ok(found) if found == text => {}
            Ok(_) => return Err(YamlError::Stale { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(YamlError::Stale { path }),
            Err(source) => return Err(YamlError::Io { path, source }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::load::Trap;

    #[test]
    fn the_yaml_is_what_the_types_say() {
        check().unwrap();
    }

    /// A plain `no` in an enumeration would be false to a reader of YAML 1.1, and only to it.
    #[test]
    fn every_reader_of_yaml_reads_the_same() {
        for (path, text) in files().unwrap() {
            for line in text.lines() {
                let scalar = line.trim_start_matches([' ', '-']);
                let scalar = scalar.split_once(": ").map_or(scalar, |(_, value)| value);
                assert_eq!(Trap::of(scalar), None, "{}: {line}", path.display());
            }
        }
    }

    #[test]
    fn nothing_else_lies_where_kubectl_reads() {
        let mut wanted: Vec<_> = files().unwrap().into_iter().map(|(path, _)| path).collect();
        let mut found: Vec<_> = fs::read_dir(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json"))
            .collect();
        wanted.sort();
        found.sort();
        assert_eq!(wanted, found);
    }
}
