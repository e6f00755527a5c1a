//! A generated file, and how it is written or checked.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// The command that writes it.
    pub(crate) command: &'static str,
}

/// Why a file could not be written, or is not fresh.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The file system returned an error.
    #[error("failed to read or write {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    /// A value can't be read from YAML or written as YAML.
    #[error("failed to convert {path}: {source}")]
    Yaml { path: PathBuf, source: serde_yaml::Error },
    /// The page lacks the lines that the generated part is between.
    #[error("{path} lacks a mark; put these two lines where the generated part belongs: {begin} {end}")]
    NoMark { path: PathBuf, begin: &'static str, end: &'static str },
    /// The API server can't be asked.
    #[error("failed to ask the API server with kubectl: {0}")]
    Server(String),
    /// The file differs from what the generator makes.
    #[error("{path} is stale: run `{command}` and commit the result")]
    Stale { path: PathBuf, command: &'static str },
}

/// Returns the path of a file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).join(path)
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// Writes every file.
pub(crate) fn write(files: &[File]) -> Result<(), FileError> {
    for file in files {
        fs::write(&file.path, &file.text).map_err(|source| FileError::Io { path: file.path.clone(), source })?;
    }
    Ok(())
}

/// Fails if a file is absent or differs from what the generator makes.
pub(crate) fn check(files: &[File]) -> Result<(), FileError> {
    for File { path, text, command } in files {
        match fs::read_to_string(path) {
            Ok(found) if found == *text => {}
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::Io { path: path.clone(), source });
            }
            Ok(_) | Err(_) => return Err(FileError::Stale { path: path.clone(), command }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_that_differs_or_is_absent_is_stale() {
        let path = repository("rustfmt.toml");
        let fresh = File { text: read(&path).unwrap(), path, command: "a command" };
        check(std::slice::from_ref(&fresh)).unwrap();
        let differs = File { text: "other".to_owned(), ..fresh.clone() };
        let absent = File { path: repository("no such file"), ..fresh.clone() };
        for stale in [differs, absent] {
            let error = check(&[fresh.clone(), stale]).unwrap_err();
            assert!(matches!(&error, FileError::Stale { .. }) && error.to_string().contains("a command"), "{error}");
        }
    }
}
