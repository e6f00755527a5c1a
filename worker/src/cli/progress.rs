//! The progress of a run: a moving line on a terminal, or else a plain line every few seconds.

use std::{
    io::{IsTerminal, stderr},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::table::number;
use crate::run::RunHandle;

/// Shows progress until it is aborted.
pub(super) async fn show(handle: Arc<RunHandle>, started: Instant) {
    if stderr().is_terminal() { moving(&handle, started).await } else { plain(&handle, started).await }
}

async fn moving(handle: &RunHandle, started: Instant) {
    let bar = ProgressBar::new_spinner();
    loop {
        tokio::time::sleep(Duration::from_millis(120)).await;
        let (read, total) = handle.instruments.run_state.file_progress();
        if total > 0 && bar.length() != Some(total) {
            // The size of standard input and of a dead letter is unknown.
            let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_length(total);
        }
        bar.set_position(read);
        bar.set_message(line(handle, started));
    }
}

async fn plain(handle: &RunHandle, started: Instant) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        eprintln!("{}", line(handle, started));
    }
}

fn line(handle: &RunHandle, started: Instant) -> String {
    let events = handle.events.load(Ordering::Relaxed);
    let seconds = started.elapsed().as_secs_f64().max(0.001);
    let mut line = format!("{} events, {}/s", number(events), number((events as f64 / seconds) as u64));
    let (read, total) = handle.instruments.run_state.file_progress();
    if total > read && read > 0 {
        let left = seconds * (total - read) as f64 / read as f64;
        line.push_str(&format!(", about {left:.0} s left"));
    }
    for (store, seconds) in handle.instruments.run_state.waiting_stores() {
        line.push_str(&format!(", waiting for {store} since {seconds} s"));
    }
    line
}
