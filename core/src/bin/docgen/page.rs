//! The pages of `docs/reference/`, and how they get there.

use std::{fs, io, path::PathBuf};

use crate::{kinds, words};

/// The command that writes the pages.
const COMMAND: &str = "cargo run -p lethe-core --bin docgen";
const INTRODUCTION: &str = "Written from the types, so it can't be stale. A *path* is a JSON Pointer, a *duration* is as in `1h30m`; both are \
    explained in [the guide](../pipeline.md). What is not *required* may be left out.";

/// Why a page could not be written, or is not fresh.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The file system refused.
    #[error("failed to read or write {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The page is not what the types say.
    #[error("{path} is stale: run `{COMMAND}` and commit the result")]
    Stale {
        /// Which file.
        path: PathBuf,
    },
}

/// Writes every page.
pub fn write() -> Result<(), PageError> {
    for (path, text) in pages() {
        fs::write(&path, text).map_err(|source| PageError::Io { path, source })?;
    }
    Ok(())
}

/// Tells whether every page is what the types say.
pub fn check() -> Result<(), PageError> {
    for (path, text) in pages() {
        let found = fs::read_to_string(&path).map_err(|source| PageError::Io { path: path.clone(), source })?;
        if found != text {
            return Err(PageError::Stale { path });
        }
    }
    Ok(())
}

/// Every page: where it lies, and what it says.
fn pages() -> Vec<(PathBuf, String)> {
    let mark = format!("<!-- written by `{COMMAND}`; do not edit -->");
    let kinds = kinds::reference().into_iter().map(|kind| {
        let text = format!("# {}\n{mark}\n\n{INTRODUCTION}\n\n{}", kind.heading, kind.text);
        (format!("{}.md", kind.name.to_lowercase()), text)
    });
    let words = format!("# Outcomes, reasons and mistakes\n{mark}\n\n{}", words::reference());
    let all = kinds.chain([("outcomes.md".to_owned(), words)]);
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference"));
    all.map(|(name, text)| (folder.join(name), text.trim_end().to_owned() + "\n")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_reference_is_what_the_types_say() {
        super::check().unwrap();
    }
}
