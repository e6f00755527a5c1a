//! What a program prints if it panics: where, and never why. The message of a panic may quote a value.

use std::{io::Write, panic, thread};

/// Prints only the place of a panic from now on.
pub fn hide_messages() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        // Standard error may be closed, and a panic in this hook would abort the process.
        let _ = writeln!(std::io::stderr(), "defect: the thread {name} panicked at {place}; please report this place");
    }));
}
