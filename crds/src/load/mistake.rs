//! What is wrong with manifests, all of it at once.

use std::fmt;

/// Where a document lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, or what the caller calls the text.
    pub file: String,
    /// Number of the document in it, from 1; 0 for the file as a whole.
    pub document: usize,
    /// Line of the file, from 1, where it is known.
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

/// One thing that is wrong with a manifest, and what to do about it. Never holds a value of a
/// Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is.
    pub place: Place,
    /// Path inside the document, as in `spec.fields[3].path`; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do; empty where `what` says it.
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

/// Manifests can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.mistakes))]
pub struct LoadError {
    /// Everything that is wrong, in the order of files and documents; at least one.
    pub mistakes: Vec<Mistake>,
}

fn listed(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
