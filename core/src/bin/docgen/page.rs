//! The page: where the generated part begins and ends, and how it gets there.

use std::{fs, io, path::PathBuf};

use crate::{kinds, words};

/// The command that writes the page.
const COMMAND: &str = "cargo run -p lethe-core --bin docgen";
const BEGIN: &str = "<!-- reference: written by `cargo run -p lethe-core --bin docgen`; do not edit below -->";
const END: &str = "<!-- end of the reference -->";

/// Why the page could not be written, or is not fresh.
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
    /// The page has no place for it.
    #[error("{path} lacks a mark; put these two lines where the reference belongs: {BEGIN} {END}")]
    NoPlace {
        /// Which file.
        path: PathBuf,
    },
    /// The page is not what the types say.
    #[error("{path} is stale: run `{COMMAND}` and commit the result")]
    Stale {
        /// Which file.
        path: PathBuf,
    },
}

/// Writes the reference into the page.
pub fn write() -> Result<(), PageError> {
    let path = path();
    let (_, fresh) = pages(&path)?;
    fs::write(&path, fresh).map_err(|source| PageError::Io { path, source })
}

/// Tells whether the page is what the types say.
pub fn check() -> Result<(), PageError> {
    let path = path();
    let (found, fresh) = pages(&path)?;
    if found == fresh { Ok(()) } else { Err(PageError::Stale { path }) }
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pipeline.md"))
}

/// The page as it is, and as it should be.
fn pages(path: &PathBuf) -> Result<(String, String), PageError> {
    let found = fs::read_to_string(path).map_err(|source| PageError::Io { path: path.clone(), source })?;
    let fresh = filled(&found).ok_or_else(|| PageError::NoPlace { path: path.clone() })?;
    Ok((found, fresh))
}

/// A page with the reference between its marks; `None` where it lacks them.
fn filled(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}{}{END}{after}", kinds::reference(), words::reference()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_reference_is_what_the_types_say() {
        check().unwrap();
    }

    #[test]
    fn what_people_wrote_stays() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let once = filled(&page).unwrap();
        assert!(once.starts_with("before\n") && once.ends_with("\nafter\n") && !once.contains("\nold\n"));
        assert_eq!(filled(&once).unwrap(), once);
        assert_eq!(filled("a page without marks"), None);
    }
}
