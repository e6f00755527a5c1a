//! Finds the files that a declared path matches.

use std::{
    fs::{self, Metadata},
    io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use glob::MatchOptions;

use crate::{
    StoreError,
    file::fault::{failed, mismatch},
};

/// A file that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its name as it matched; `-` is standard input.
    pub name: String,
    /// Its state on disk; `None` for standard input, pipes and devices.
    pub stamp: Option<Stamp>,
    /// Time of its last change, in milliseconds since 1970.
    pub modified: i64,
}

/// The state of a regular file. A file with the same one was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Its size on disk in bytes.
    pub bytes: u64,
    modified: SystemTime,
    /// Numbers of its device and inode.
    id: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> io::Result<Self> {
        #[cfg(unix)]
        let id = {
            use std::os::unix::fs::MetadataExt;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let id = (0, 0);
        Ok(Self { bytes: metadata.len(), modified: metadata.modified()?, id })
    }
}

/// Returns the files that `path` matches, in the order of their names. Files without a modification
/// time get `now`, in milliseconds since 1970.
pub(crate) fn find(path: &str, now: i64) -> Result<Vec<Found>, StoreError> {
    if path == "-" {
        return Ok(vec![Found { name: path.to_owned(), stamp: None, modified: now }]);
    }
    // The name of a file may hold brackets: an existing file takes precedence over the pattern.
    if !path.contains(['*', '?', '[']) || Path::new(path).exists() {
        return look(path, now).map(|found| vec![found]);
    }
    let options =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    let matches = glob::glob_with(path, options)
        .map_err(|error| mismatch(format!("{path} is no pattern: {} at character {}", error.msg, error.pos + 1)))?;
    let mut found = Vec::new();
    for entry in matches {
        let path_found = entry.map_err(|error| failed(format!("read {}", error.path().display()), error.error()))?;
        if path_found.is_dir() {
            continue;
        }
        let name = path_found.to_str().ok_or_else(|| {
            mismatch(format!("a file that {path} matches has a name that is no UTF-8, by which progress can't be kept"))
        })?;
        found.push(look(name, now)?);
    }
    if found.is_empty() {
        return Err(mismatch(format!(
            "no file matches {path}; paths are relative to the directory the worker runs in"
        )));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn look(name: &str, now: i64) -> Result<Found, StoreError> {
    let metadata = match fs::metadata(name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(mismatch(format!(
                "{name} does not exist; paths are relative to the directory the worker runs in"
            )));
        }
        other => other.map_err(|error| failed(format!("open {name}"), &error))?,
    };
    if metadata.is_dir() {
        return Err(mismatch(format!("{name} is a directory; name the files in it, as in {name}/*.ndjson")));
    }
    if !metadata.is_file() {
        // Opening a pipe as a check would consume its data.
        return Ok(Found { name: name.to_owned(), stamp: None, modified: now });
    }
    let stamp = Stamp::of(&metadata).map_err(|error| failed(format!("read the time of {name}"), &error))?;
    let modified = match stamp.modified.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    };
    Ok(Found { name: name.to_owned(), stamp: Some(stamp), modified })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let found = find(path.to_str().unwrap(), 0).unwrap();
        found.iter().map(|f| f.name.rsplit('/').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn files_come_in_the_order_of_their_names_and_directories_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.ndjson", "a.ndjson", "c.csv", ".hidden.ndjson"] {
            fs::write(dir.path().join(name), "{}\n").unwrap();
        }
        fs::create_dir(dir.path().join("d.ndjson")).unwrap();
        assert_eq!(names(&dir.path().join("*.ndjson")), ["a.ndjson", "b.ndjson"]);
        assert_eq!(names(&dir.path().join("c.csv")), ["c.csv"]);
    }

    #[test]
    fn a_file_with_brackets_in_its_name_is_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("users[1].ndjson"), "").unwrap();
        assert_eq!(names(&dir.path().join("users[1].ndjson")), ["users[1].ndjson"]);
    }

    #[test]
    fn what_can_t_be_read_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let error = |name: &str| find(dir.path().join(name).to_str().unwrap(), 0).unwrap_err().to_string();
        assert!(error("absent.ndjson").contains("does not exist"));
        assert!(error("*.ndjson").contains("no file matches"));
        assert!(error("").contains("is a directory; name the files in it"));
        assert!(error("[a").contains("is no pattern"));
    }
}
