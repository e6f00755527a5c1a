//! Saves a changed ring, into its original file or into a new one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lethe_core::keys::KeyRing;
use lethe_crds::load::{Resources, Secret, read_paths};
use zeroize::Zeroizing;

use super::{
    edit::edited,
    manifest::{self, Header},
    secret_file,
};
use crate::{cli::Failure, open::read_ring};

/// Where a ring is saved. Determined before anything is changed.
pub(super) enum Target {
    /// A new file.
    New(PathBuf),
    /// The original file of the Secret.
    InPlace {
        /// The file.
        path: PathBuf,
        /// Its contents.
        text: Zeroizing<String>,
    },
}

/// The saved files.
pub(super) struct Saved {
    /// The file.
    pub path: PathBuf,
    /// The copy of the previous contents, if one was requested.
    pub backup: Option<PathBuf>,
}

impl Target {
    /// Returns where a ring of this Secret is saved: `to`, or else its original file.
    pub(super) fn find(resources: &Resources, secret: &Secret, to: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(path) = to {
            if path.exists() {
                return Err(exists(&path));
            }
            return Ok(Target::New(path));
        }
        let place = resources.secret_place(&secret.namespace, &secret.name);
        let path = PathBuf::from(place.map_or("", |place| place.file.as_str()));
        match fs::read_to_string(&path) {
            Ok(text) if path.is_file() => Ok(Target::InPlace { path, text: Zeroizing::new(text) }),
            _ => Err(Failure::Usage(
                "the Secret was not read from a file that can be changed; name a new file with --to".to_owned(),
            )),
        }
    }

    /// Saves a ring that differs by one key, and reads it back from disk. With `backup`, keeps a
    /// copy of the previous contents under a name with this suffix.
    pub(super) fn save(self, secret: &Secret, ring: &KeyRing, backup: Option<&str>) -> Result<Saved, Failure> {
        let saved = match self {
            Target::New(path) => {
                let text = manifest::write(&Header::of(secret), ring)?;
                secret_file::create(&path, text.as_bytes()).map_err(|error| match error.kind() {
                    std::io::ErrorKind::AlreadyExists => exists(&path),
                    _ => Failure::Other(format!("failed to write {}: {error}", path.display())),
                })?;
                Saved { path, backup: None }
            }
            Target::InPlace { path, text } => {
                let new = edited(&text, secret, ring).ok_or_else(|| {
                    Failure::Usage(format!(
                        "{} is written in a way that one line can't change; name a new file with --to",
                        path.display()
                    ))
                })?;
                let backup = backup.map(|what| secret_file::beside(&path, what));
                secret_file::replace(&path, &text, &new, backup.as_deref()).map_err(Failure::other)?;
                Saved { path, backup }
            }
        };
        let read = read_paths(&[&saved.path])?;
        let there = read.secret(&secret.namespace, &secret.name).and_then(|secret| read_ring(secret).ok());
        if there.is_some_and(|there| there.checks() == ring.checks()) {
            return Ok(saved);
        }
        Err(Failure::Key(format!("{} does not hold what was written; nothing relies on it yet", saved.path.display())))
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Usage(format!(
        "{} is there already, and keys are never overwritten; if it is of a rotation that was cut short, give it with -f \
         in place of the older file and leave --to out; else name another file",
        path.display()
    ))
}
