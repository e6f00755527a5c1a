//! How many lines of each sort were generated, so that a test can reconcile what came out.

use std::ops::Add;

use serde::Serialize;

/// How many lines of each sort. A line is of one sort: all but `lines` and `personal_notes` add up
/// to `lines`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All lines.
    pub lines: u64,
    /// Plain events: valid, in order of time, of a subject who agreed.
    pub events: u64,
    /// Repetitions of a recent plain event.
    pub duplicates: u64,
    /// JSON that breaks the schema.
    pub invalid: u64,
    /// No JSON.
    pub not_json: u64,
    /// Valid events of a subject who did not agree.
    pub no_consent: u64,
    /// Valid events, of a subject who agreed, older than those before them.
    pub late: u64,
    /// Events that say a profile is deleted.
    pub deletes: u64,
    /// Of `events`, `late` and `no_consent`: those whose note or search holds an e-mail address, a
    /// phone number, a card number or an IBAN.
    pub personal_notes: u64,
}

impl Add for Summary {
    type Output = Summary;

    fn add(self, other: Summary) -> Summary {
        Summary {
            lines: self.lines + other.lines,
            events: self.events + other.events,
            duplicates: self.duplicates + other.duplicates,
            invalid: self.invalid + other.invalid,
            not_json: self.not_json + other.not_json,
            no_consent: self.no_consent + other.no_consent,
            late: self.late + other.late,
            deletes: self.deletes + other.deletes,
            personal_notes: self.personal_notes + other.personal_notes,
        }
    }
}
