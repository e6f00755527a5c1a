//! Mistakes in manifests, reported all at once.

use std::fmt;

/// The place of a mistake or an object in its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, or the caller's name for the text.
    pub file: String,
    /// Number of the document in it, from 1; 0 for the file as a whole.
    pub document: usize,
    /// Line of the file, from 1, if it is known.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if self.document > 1 {
            write!(f, " (document {})", self.document)?;
        }
        Ok(())
    }
}

/// A mistake in a manifest, and how to fix it. Never contains a value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is.
    pub place: Place,
    /// Path inside the document, as in `spec.fields[3].path`; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do; empty if `what` says it.
    pub fix: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        if !self.fix.is_empty() {
            write!(f, "; {}", self.fix)?;
        }
        Ok(())
    }
}

/// The manifests can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.mistakes))]
pub struct LoadError {
    /// All mistakes in the order of files and documents; at least one.
    pub mistakes: Vec<Mistake>,
}

fn listed(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
