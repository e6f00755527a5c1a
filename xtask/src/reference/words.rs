//! The lists of outcomes, reasons and mistakes.

use std::fmt::Write as _;

use lethe_core::{outcome::Outcome, pipeline::code, reason::Reason};

/// Returns every outcome, reason and code of a mistake, with its meaning.
pub(super) fn reference() -> String {
    let mut out = String::new();
    list(&mut out, "Outcomes", "OUTCOME", "What became of an event at a sink. Each event has exactly one per sink.", {
        Outcome::ALL.map(|outcome| (outcome.name(), outcome.meaning()))
    });
    list(&mut out, "Reasons", "REASON", "Why an event was rejected. A reason never holds a value of the event.", {
        Reason::ALL.map(|reason| (reason.code(), reason.meaning()))
    });
    let mistakes = "What `lint` and `run` say about a manifest. Those marked as a warning refuse nothing.";
    list(&mut out, "Mistakes", "CODE", mistakes, code::ALL.iter().copied().zip(code::MEANINGS.iter().copied()));
    out
}

fn list<'w>(
    out: &mut String,
    title: &str,
    header: &str,
    about: &str,
    words: impl IntoIterator<Item = (&'w str, &'w str)>,
) {
    // Writing to a String can't fail.
    let _ = write!(out, "## {title}\n{about}\n\n| {header} | MEANING |\n|---|---|\n");
    for (word, meaning) in words {
        let _ = writeln!(out, "| `{word}` | {meaning} |");
    }
    out.push('\n');
}
