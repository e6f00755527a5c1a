//! Files with keys. They are readable by their owner only, durable before anything relies on them,
//! and never overwritten.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Creates a file that must not exist yet. When this returns, the contents and the directory entry
/// are durable. A failure leaves nothing behind.
pub(super) fn create(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(text).and_then(|()| file.sync_all()).and_then(|()| sync_name(path));
    if written.is_err() {
        // This call created the file, so it may remove it. The first error is returned.
        let _ = fs::remove_file(path);
    }
    written
}

/// Why a file with keys was not replaced. The file is unchanged.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplaceError {
    /// Another change is in progress, or was interrupted.
    #[error(
        "{} is there: another command changes {} just now, or was cut short; if none runs, delete it and try again",
        .draft.display(), .path.display()
    )]
    Draft {
        /// The existing draft.
        draft: PathBuf,
        /// The file to change.
        path: PathBuf,
    },
    /// The backup exists already.
    #[error("{} is there already, and keys are never overwritten; move it away and try again", .0.display())]
    Backup(PathBuf),
    /// The file changed since it was read.
    #[error("{} was changed by another process just now; try again", .0.display())]
    Changed(PathBuf),
    /// A file operation failed.
    #[error("failed to write {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Replaces the contents `old` by `new` atomically and durably. With `backup`, first writes `old`
/// to that file, durably as well. The draft beside the file is a lock, so that only one change is
/// made at a time.
pub(super) fn replace(path: &Path, old: &str, new: &str, backup: Option<&Path>) -> Result<(), ReplaceError> {
    let io = |path: &Path, source| ReplaceError::Io { path: path.to_owned(), source };
    // Follows symbolic links, so that a link is kept.
    let path = path.canonicalize().map_err(|error| io(path, error))?;
    let draft = beside(&path, "draft");
    create(&draft, new.as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ReplaceError::Draft { draft: draft.clone(), path: path.clone() },
        _ => io(&draft, error),
    })?;
    let replaced = swap(&path, &draft, old, backup);
    if replaced.is_err() {
        // This call created the draft, and nothing relies on it yet. The first error is returned.
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

/// Returns the path `keys.yaml.<what>`, which is not read as a manifest of its directory.
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

/// Returns whether a path is inside of a Git working tree.
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
    fn an_existing_file_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.yaml");
        create(&path, b"first").unwrap();
        assert_eq!(create(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_file() {
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
    fn a_failed_replacement_leaves_all_files_unchanged() {
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
    fn a_git_working_tree_is_detected() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        assert!(!in_git(&inside.join("keys.yaml")));
        fs::create_dir(dir.path().join(".git")).unwrap();
        assert!(in_git(&inside.join("keys.yaml")));
    }
}
