//! The table of metrics in docs/operations.md: written from the table that they are registered by.

use std::{fmt::Write as _, fs, io, path::PathBuf};

use super::table::ALL;

const BEGIN: &str = "<!-- metrics: written by `make generate`; do not edit below -->";
const END: &str = "<!-- end of the metrics -->";

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
    #[error("{path} lacks a mark; put these two lines where the metrics belong: {BEGIN} {END}")]
    NoPlace {
        /// Which file.
        path: PathBuf,
    },
    /// The page is not what the table says.
    #[error("{path} is stale: run `make generate` and commit the result")]
    Stale {
        /// Which file.
        path: PathBuf,
    },
}

/// Writes the table into the page.
pub fn write() -> Result<(), PageError> {
    let (path, _, fresh) = pages()?;
    fs::write(&path, fresh).map_err(|source| PageError::Io { path, source })
}

/// Tells whether the page is what the table says.
pub fn check() -> Result<(), PageError> {
    let (path, found, fresh) = pages()?;
    if found == fresh { Ok(()) } else { Err(PageError::Stale { path }) }
}

/// The page as it is, and as it should be.
fn pages() -> Result<(PathBuf, String, String), PageError> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md"));
    let found = fs::read_to_string(&path).map_err(|source| PageError::Io { path: path.clone(), source })?;
    let fresh = filled(&found).ok_or_else(|| PageError::NoPlace { path: path.clone() })?;
    Ok((path, found, fresh))
}

/// A page with the table between its marks; `None` where it lacks them.
fn filled(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", rows()))
}

fn rows() -> String {
    let mut out = "| METRIC | KIND | LABELS | MEANING |\n|---|---|---|---|\n".to_owned();
    for metric in ALL {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.name(),
            labels.join(", "),
            metric.meaning
        );
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_page_lists_the_metrics_that_there_are() {
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

    #[test]
    fn every_metric_that_the_page_names_exists() {
        let (_, page, _) = pages().unwrap();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for named in page.split(|c| !word(c)).filter(|named| named.starts_with("lethe_") && *named != "lethe_worker") {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| named.strip_suffix(suffix));
            assert!(ALL.iter().any(|metric| [Some(named), base].contains(&Some(metric.name))), "{named}");
        }
    }
}
