//! The table of metrics in docs/operations.md, from the table by which they are registered. The
//! rest of that page is written by hand and kept.

use std::{fmt::Write as _, path::PathBuf};

use lethe_worker::observe::METRICS;

use crate::file::{File, FileError, read, repository};

const BEGIN: &str = "<!-- metrics: written by `make generate`; do not edit below -->";
const END: &str = "<!-- end of the metrics -->";

/// Returns the page with the table as it should be.
pub(crate) fn files() -> Result<Vec<File>, FileError> {
    let (path, found) = page()?;
    let text = filled(&found).ok_or_else(|| FileError::NoMark { path: path.clone(), begin: BEGIN, end: END })?;
    Ok(vec![File { path, text, command: "cargo run -p xtask -- metrics" }])
}

/// Returns the page as it is.
fn page() -> Result<(PathBuf, String), FileError> {
    let path = repository("docs/operations.md");
    let found = read(&path)?;
    Ok((path, found))
}

/// Returns a page with the table between its marks; `None` if it lacks them.
fn filled(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", rows()))
}

fn rows() -> String {
    let mut out = "| METRIC | KIND | LABELS | MEANING |\n|---|---|---|---|\n".to_owned();
    for metric in METRICS {
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
    fn the_rest_of_the_page_is_kept() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let once = filled(&page).unwrap();
        assert!(once.starts_with("before\n") && once.ends_with("\nafter\n") && !once.contains("\nold\n"));
        assert_eq!(filled(&once).unwrap(), once);
        assert_eq!(filled("a page without marks"), None);
    }

    #[test]
    fn every_metric_that_the_page_names_exists() {
        let (_, page) = page().unwrap();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for named in page.split(|c| !word(c)).filter(|named| named.starts_with("lethe_") && *named != "lethe_worker") {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| named.strip_suffix(suffix));
            assert!(METRICS.iter().any(|metric| [Some(named), base].contains(&Some(metric.name))), "{named}");
        }
    }
}
