//! Files that hold keys: readable by their owner alone, on the disk before anything relies on them,
//! and never overwritten.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Writes a file that is not there yet. Durable when this returns: the bytes, and its name in the
/// directory. On failure nothing is left behind.
pub(super) fn create(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(text).and_then(|()| file.sync_all()).and_then(|()| sync_name(path));
    if written.is_err() {
        // It is ours: it was not there before. The first error is the one to tell.
        let _ = fs::remove_file(path);
    }
    written
}

/// Why a file with keys was not replaced. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplaceError {
    /// Another change is under way, or was cut short.
    #[error(
        "{} is there: another command changes {} just now, or was cut short; if none runs, delete it and try again",
        .draft.display(), .path.display()
    )]
    Draft {
        /// What is in the way.
        draft: PathBuf,
        /// The file to change.
        path: PathBuf,
    },
    /// A copy of before is in the way.
    #[error("{} is there already, and keys are never overwritten; move it away and try again", .0.display())]
    Backup(PathBuf),
    /// It isn't what was read.
    #[error("{} was changed by somebody else just now; try again", .0.display())]
    Changed(PathBuf),
    /// The disk said no.
    #[error("failed to write {}: {source}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Puts `new` in place of `old`, in one step: whoever reads the file finds either. Durable when this
/// returns. With a `backup`, `old` lies there before, durable too. One change at a time: the draft that
/// lies beside the file is the lock.
pub(super) fn replace(path: &Path, old: &str, new: &str, backup: Option<&Path>) -> Result<(), ReplaceError> {
    let io = |path: &Path, source| ReplaceError::Io { path: path.to_owned(), source };
    // A link stays a link.
    let path = path.canonicalize().map_err(|error| io(path, error))?;
    let draft = beside(&path, "draft");
    create(&draft, new.as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ReplaceError::Draft { draft: draft.clone(), path: path.clone() },
        _ => io(&draft, error),
    })?;
    let replaced = swap(&path, &draft, old, backup);
    if replaced.is_err() {
        // Ours, and nothing relies on it yet. The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    replaced
}

fn swap(path: &Path, draft: &Path, old: &str, backup: Option<&Path>) -> Result<(), ReplaceError> {
    let io = |path: &Path, source| ReplaceError::Io { path: path.to_owned(), source };
    let there = zeroize::Zeroizing::new(fs::read(path).map_err(|error| io(path, error))?);
    if there.as_slice() != old.as_bytes() {
        return Err(ReplaceError::Changed(path.to_owned()));
    }
    if let Some(backup) = backup {
        create(backup, old.as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => ReplaceError::Backup(backup.to_owned()),
            _ => io(backup, error),
        })?;
    }
    fs::rename(draft, path).and_then(|()| sync_name(path)).map_err(|error| io(path, error))
}

/// `keys.yaml` -> `keys.yaml.<what>`: no name that a folder of manifests would be read with.
pub(super) fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    PathBuf::from(name)
}

/// Makes the entry of a file in its directory durable.
fn sync_name(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Whether a file at this path would lie in a Git working tree.
pub(super) fn in_git(path: &Path) -> bool {
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_owned);
    parent.canonicalize().is_ok_and(|folder| folder.ancestors().any(|folder| folder.join(".git").exists()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_that_is_there_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.yaml");
        create(&path, b"first").unwrap();
        assert_eq!(create(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.yaml");
        create(&path, b"x").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_is_replaced_in_one_step_and_its_backup_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.yaml");
        let backup = beside(&path, "before");
        create(&path, b"old").unwrap();
        replace(&path, "old", "new", Some(&backup)).unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::read(&backup).unwrap()), (b"new".to_vec(), b"old".to_vec()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_can_t_be_replaced_safely_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.yaml");
        let backup = beside(&path, "before");
        create(&path, b"old").unwrap();
        assert!(matches!(replace(&path, "other", "new", None), Err(ReplaceError::Changed(_))));
        create(&backup, b"older").unwrap();
        assert!(matches!(replace(&path, "old", "new", Some(&backup)), Err(ReplaceError::Backup(_))));
        assert!(!beside(&path, "draft").exists(), "a failure leaves no draft");
        create(&beside(&path, "draft"), b"another's").unwrap();
        assert!(matches!(replace(&path, "old", "new", None), Err(ReplaceError::Draft { .. })));
        assert_eq!(fs::read(beside(&path, "draft")).unwrap(), b"another's");
        assert_eq!((fs::read(&path).unwrap(), fs::read(&backup).unwrap()), (b"old".to_vec(), b"older".to_vec()));
    }

    #[test]
    fn a_git_working_tree_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        assert!(!in_git(&inside.join("keys.yaml")));
        fs::create_dir(dir.path().join(".git")).unwrap();
        assert!(in_git(&inside.join("keys.yaml")));
    }
}
