//! What to generate, and whether that makes sense.

use jiff::Timestamp;

use super::visits;

/// Which shape the events have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The JSON of a randomuser.me result under `user`, with `event_id`, `timestamp` and `consent`.
    RandomUser,
    /// A customer account: name, contact, address, tier, plan, and a note in free text.
    Account,
    /// A step of a visit to a shop: pages, searches, the cart, purchases.
    Clickstream,
}

impl Kind {
    /// The longest step of time to the line after so many others, in milliseconds.
    pub(super) const fn step_millis(self, lines: u64) -> u64 {
        match self {
            Kind::Account | Kind::RandomUser => STEP_MILLIS,
            Kind::Clickstream => visits::step_millis(lines),
        }
    }
}

/// What to generate. Each rate is the share of all lines that are of its sort, 0 to 1; a line is of
/// one sort only, and those of no sort are plain events.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// Which shape the events have.
    pub kind: Kind,
    /// How many lines.
    pub count: u64,
    /// Same seed and options, same bytes.
    pub seed: u64,
    /// Lines that repeat a recent plain event, byte for byte.
    pub duplicates: f64,
    /// Lines that are JSON and break the schema of the kind's example.
    pub invalid: f64,
    /// Lines that are no JSON.
    pub not_json: f64,
    /// Events whose subject did not agree to marketing.
    pub no_consent: f64,
    /// Events whose time is 1 minute to 6 hours before that of the line before.
    pub late: f64,
    /// Events that delete the profile: `"deleted": true` and no personal data but the id.
    pub deletes: f64,
    /// How many distinct subjects events are about, at least 1; all are equally busy, or visit
    /// equally often.
    pub subjects: u64,
    /// Time of the first event. Times go on from here by 0 to 20 ms a line; those of a clickstream
    /// more slowly at first, while the shop fills.
    pub start: Timestamp,
}

/// How far behind the stream a late event is, at most: 6 hours, in milliseconds.
pub(super) const LATEST_MILLIS: i64 = 6 * 3_600_000;
/// The longest step of time from line to line where nothing slows it, in milliseconds.
const STEP_MILLIS: u64 = 20;
/// 9000-01-01T00:00:00Z in milliseconds: every time stays within four digits of a year.
const END_MILLIS: i64 = 221_845_392_000_000;

impl GenerateOptions {
    /// Plain events only: seed 1, a tenth as many subjects as lines, from 2026-01-01T00:00:00Z on.
    pub fn new(kind: Kind, count: u64) -> Self {
        Self {
            kind,
            count,
            seed: 1,
            duplicates: 0.0,
            invalid: 0.0,
            not_json: 0.0,
            no_consent: 0.0,
            late: 0.0,
            deletes: 0.0,
            subjects: (count / 10).max(1),
            start: Timestamp::constant(1_767_225_600, 0),
        }
    }

    /// The longest time between the first and the last line, in milliseconds.
    pub fn span_millis(&self) -> u64 {
        match self.kind {
            Kind::Account | Kind::RandomUser => self.count.saturating_mul(STEP_MILLIS),
            Kind::Clickstream => visits::span_millis(self.count),
        }
    }

    /// Starts the stream so early, in whole seconds, that no event is later than `end`. Returns
    /// `None` if that start is out of the calendar's range.
    #[must_use]
    pub fn ending_by(self, end: Timestamp) -> Option<Self> {
        let seconds = i64::try_from(self.span_millis().div_ceil(1000)).ok()?;
        let start = end.as_second().checked_sub(seconds)?;
        Some(Self { start: Timestamp::from_second(start).ok()?, ..self })
    }

    /// The rates with their names, in the order in which a line's sort is looked up.
    pub(super) fn rates(&self) -> [(&'static str, f64); 6] {
        [
            ("duplicates", self.duplicates),
            ("invalid", self.invalid),
            ("not-json", self.not_json),
            ("no-consent", self.no_consent),
            ("late", self.late),
            ("deletes", self.deletes),
        ]
    }

    /// Checks every rule.
    pub(super) fn check(&self) -> Result<(), OptionsError> {
        for (name, rate) in self.rates() {
            // Written so that NaN fails.
            if !(0.0..=1.0).contains(&rate) {
                return Err(OptionsError::Rate { name, rate });
            }
        }
        let sum: f64 = self.rates().iter().map(|(_, rate)| rate).sum();
        // Ten tenths may add up to a hair more than one.
        if sum > 1.0 + 1e-9 {
            return Err(OptionsError::Sum { sum });
        }
        if self.subjects == 0 {
            return Err(OptionsError::NoSubjects);
        }
        let start = self.start.as_millisecond();
        let end = i64::try_from(self.span_millis()).ok().and_then(|span| start.checked_add(span));
        if start < LATEST_MILLIS || end.is_none_or(|end| end > END_MILLIS) {
            return Err(OptionsError::Time);
        }
        Ok(())
    }
}

/// Why nothing can be generated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// A rate outside of 0 to 1.
    #[error("the rate of {name} is {rate}; it is a share of all lines: give a number from 0 to 1, such as 0.05")]
    Rate {
        /// Which rate.
        name: &'static str,
        /// What was given.
        rate: f64,
    },
    /// The rates add up to more than 1.
    #[error(
        "the rates of duplicates, invalid, not-json, no-consent, late and deletes add up to {sum}; a line is of one sort only: lower them to 1 together"
    )]
    Sum {
        /// Their sum.
        sum: f64,
    },
    /// No subject.
    #[error("0 subjects: every event is about a subject, give at least 1")]
    NoSubjects,
    /// The times of the events leave the years 1970 to 8999.
    #[error(
        "the events' times, from six hours before start to start and 20 ms a line (a clickstream's are further apart at first), leave the years 1970 to 8999: move start or lower count"
    )]
    Time,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn account() -> GenerateOptions {
        GenerateOptions::new(Kind::Account, 10)
    }

    #[test]
    fn the_defaults_are_right() {
        assert_eq!(account().check(), Ok(()));
        assert_eq!(GenerateOptions::new(Kind::RandomUser, 0).check(), Ok(()));
        assert_eq!(account().start.to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn a_rate_is_a_share() {
        for rate in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = GenerateOptions { late: rate, ..account() }.check().unwrap_err();
            assert!(matches!(error, OptionsError::Rate { name: "late", .. }), "{error}");
        }
    }

    #[test]
    fn all_rates_together_are_a_share() {
        let tenths =
            GenerateOptions { duplicates: 0.1, invalid: 0.2, not_json: 0.1, no_consent: 0.3, late: 0.2, ..account() };
        assert_eq!(GenerateOptions { deletes: 0.1, ..tenths.clone() }.check(), Ok(()));
        let error = GenerateOptions { deletes: 0.2, ..tenths }.check().unwrap_err();
        assert!(matches!(error, OptionsError::Sum { .. }), "{error}");
    }

    #[test]
    fn a_stream_needs_a_subject() {
        assert_eq!(GenerateOptions { subjects: 0, ..account() }.check(), Err(OptionsError::NoSubjects));
    }

    #[test]
    fn times_stay_within_four_digits_of_a_year() {
        let at = |text: &str| GenerateOptions { start: text.parse().unwrap(), ..account() }.check();
        assert_eq!(at("1970-01-01T05:59:59Z"), Err(OptionsError::Time));
        assert_eq!(at("1970-01-01T06:00:00Z"), Ok(()));
        assert_eq!(at("8999-12-31T23:59:59Z"), Ok(()));
        assert_eq!(at("9001-01-01T00:00:00Z"), Err(OptionsError::Time));
        assert_eq!(GenerateOptions { count: u64::MAX, ..account() }.check(), Err(OptionsError::Time));
    }
}
