//! The pages of docs/reference/.

mod kinds;
mod words;

use crate::file::{File, repository};

const COMMAND: &str = "cargo run -p xtask -- reference";
const INTRODUCTION: &str = "\
Written from the types, so it can't be stale. A *path* is a JSON Pointer, a *duration* is as in
`1h30m`; both are explained in [the guide](../pipeline.md). What is not *required* may be left out.";

/// Returns a page for each kind, and one for outcomes, reasons and mistakes.
pub(crate) fn files() -> Vec<File> {
    let mark = format!("<!-- written by `{COMMAND}`; do not edit -->");
    let kinds = kinds::reference().into_iter().map(|kind| {
        let text = format!("# {}\n{mark}\n\n{INTRODUCTION}\n\n{}", kind.heading, kind.text);
        (format!("{}.md", kind.name.to_lowercase()), text)
    });
    let words = format!("# Outcomes, reasons and mistakes\n{mark}\n\n{}", words::reference());
    let all = kinds.chain([("outcomes.md".to_owned(), words)]);
    all.map(|(name, text)| File {
        path: repository(&format!("docs/reference/{name}")),
        text: text.trim_end().to_owned() + "\n",
        command: COMMAND,
    })
    .collect()
}
