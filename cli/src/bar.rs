//! A progress bar on a terminal, nothing elsewhere.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};

/// Returns a bar over `total` items, or a moving count if the total is unknown. `shown` is the
/// template of the text behind the bar, in the syntax of indicatif.
pub fn bar(total: Option<u64>, shown: &str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), format!("{{bar:30}} {{percent:>3}}%  {shown}")),
        None => (ProgressBar::new_spinner(), shown.to_owned()),
    };
    let style = ProgressStyle::with_template(&template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
