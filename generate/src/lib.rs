//! Test data: streams of profile events about invented people, as fast as a disk takes them.
//!
//! The same options give the same bytes in every version and on every platform: draws come from
//! PCG, numbers are written from integers, and nothing depends on a clock or the order of a map.
//! Memory is constant however long the stream is: a subject is computed from the seed and its
//! number each time, and only the few events that a duplicate may repeat and the visits in progress
//! are kept.
//!
//! The events look like personal data and belong to no real person: see `locale`.
//!
//! ```
//! use lethe_generate::{GenerateOptions, Generator, Kind};
//!
//! let options = GenerateOptions { invalid: 0.05, ..GenerateOptions::new(Kind::Account, 1_000) };
//! let mut generator = Generator::new(options)?;
//! let mut lines = Vec::new();
//! while generator.next_into(&mut lines) {}
//! assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1_000);
//! # Ok::<(), lethe_generate::OptionsError>(())
//! ```
#![forbid(unsafe_code)]

mod account;
pub mod cli;
mod clickstream;
mod device;
mod draw;
mod envelope;
mod fault;
mod locale;
mod note;
mod numbers;
mod options;
mod pace;
mod person;
mod random_user;
mod recent;
mod shop;
mod summary;
mod target;
mod text;
#[cfg(feature = "kafka")]
mod topic;
mod visit;
mod visits;

#[cfg(test)]
mod tests;

pub use options::{GenerateOptions, Kind, OptionsError};
pub use pace::Pace;
pub use summary::Summary;
pub use target::{Lines, Target, TargetError, pour};
#[cfg(feature = "kafka")]
pub use topic::Topic;

use account::put_account;
use clickstream::{put_click, put_click_deletion};
use draw::{Draw, Purpose};
use envelope::{Consent, Envelope};
use fault::{Damage, Defect};
use options::LATEST_MILLIS;
use person::Person;
use random_user::put_random_user;
use recent::Recent;
use visit::Visit;
use visits::Visits;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Duplicate,
    Invalid,
    NotJson,
    NoConsent,
    Late,
    Delete,
    Plain,
}

/// The sorts in the order of `GenerateOptions::rates`.
const SORTS: [Sort; 6] = [Sort::Duplicate, Sort::Invalid, Sort::NotJson, Sort::NoConsent, Sort::Late, Sort::Delete];

/// Generates a stream, line by line.
pub struct Generator {
    options: GenerateOptions,
    /// A draw of 64 bits below the first of these that is larger decides the sort of a line.
    bounds: [u128; 6],
    draw: Draw,
    /// Time of the last line in milliseconds since 1970.
    time: u64,
    /// The earliest time an event can have.
    earliest: u64,
    /// The id of the subject that the last line is about.
    key: Vec<u8>,
    recent: Recent,
    visits: Visits,
    summary: Summary,
}

/// A line as a record of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The id of the subject, so that a subject's events stay in order; that of the line as it was
    /// meant where it is invalid.
    pub key: Vec<u8>,
    /// The line, without a line feed.
    pub value: Vec<u8>,
    /// The time of the stream, milliseconds since 1970: that of the event unless it is late.
    pub timestamp: i64,
    /// Whether it deletes the profile.
    pub deleted: bool,
}

/// What a subject of a stream is known by, for a test that asks for it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifiers {
    /// The subject's id: `/user_id` of an account or a visitor, `/user/login/uuid` of a random
    /// user.
    pub id: String,
    /// The e-mail address as the subject types it; no other subject of the stream has it.
    pub email: String,
}

impl Generator {
    /// A generator at the start of its stream.
    pub fn new(options: GenerateOptions) -> Result<Self, OptionsError> {
        options.check()?;
        let mut bounds = [0; 6];
        let mut sum = 0.0;
        for (bound, (_, rate)) in bounds.iter_mut().zip(options.rates()) {
            sum += rate;
            // 2^64: a power of two, so that the product is exact everywhere.
            *bound = (sum * 18_446_744_073_709_551_616.0) as u128;
        }
        // The options were checked: start is at least this long after 1970.
        let time = u64::try_from(options.start.as_millisecond()).map_err(|_| OptionsError::Time)?;
        Ok(Self {
            bounds,
            draw: Draw::new(options.seed, Purpose::Stream, 0),
            time,
            earliest: time - LATEST_MILLIS as u64,
            key: Vec::new(),
            recent: Recent::default(),
            visits: Visits::default(),
            summary: Summary::default(),
            options,
        })
    }

    /// Appends the next line with its line feed. False when there is none left: nothing is
    /// appended.
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> bool {
        let more = self.next_line(out).is_some();
        if more {
            out.push(b'\n');
        }
        more
    }

    /// Replaces a record by the next one. False when there is none left.
    pub fn next_record(&mut self, record: &mut Record) -> bool {
        record.value.clear();
        let Some(sort) = self.next_line(&mut record.value) else { return false };
        record.key.clear();
        record.key.extend_from_slice(&self.key);
        record.timestamp = self.time as i64;
        record.deleted = sort == Sort::Delete;
        true
    }

    /// Appends the next line without its line feed. Returns its sort, or `None` at the end of the
    /// stream.
    fn next_line(&mut self, out: &mut Vec<u8>) -> Option<Sort> {
        if self.summary.lines == self.options.count {
            return None;
        }
        if self.summary.lines > 0 {
            self.time += self.draw.below(self.options.kind.step_millis(self.summary.lines - 1) + 1);
        }
        let sort = self.next_sort();
        let start = out.len();
        match sort {
            Sort::Duplicate => {
                self.recent.repeat(&mut self.key, out, &mut self.draw);
                self.summary.duplicates += 1;
            }
            Sort::Invalid => {
                let defect = *self.draw.pick(&Defect::ALL);
                self.put_event(out, self.time, Consent::Given, Some(defect));
                self.summary.invalid += 1;
            }
            Sort::NotJson => {
                let damage = *self.draw.pick(&Damage::ALL);
                self.put_event(out, self.time, Consent::Given, None);
                damage.apply(out, start, &mut self.draw);
                self.summary.not_json += 1;
            }
            Sort::NoConsent => {
                let consent = *self.draw.pick(&[Consent::Refused, Consent::Refused, Consent::Null, Consent::Absent]);
                let personal = self.put_event(out, self.time, consent, None);
                self.summary.no_consent += 1;
                self.summary.personal_notes += u64::from(personal);
            }
            Sort::Late => {
                const MINUTE: u64 = 60_000;
                let behind = MINUTE + self.draw.below(LATEST_MILLIS as u64 - MINUTE + 1);
                // Never before `earliest`: time is never before start.
                let personal = self.put_event(out, self.time - behind, Consent::Given, None);
                self.summary.late += 1;
                self.summary.personal_notes += u64::from(personal);
            }
            Sort::Delete => {
                self.put_delete(out);
                self.summary.deletes += 1;
            }
            Sort::Plain => {
                let envelope = self.next_envelope(self.time, Consent::Given);
                let personal = match self.options.kind {
                    Kind::Clickstream => self.put_step(out, &envelope),
                    Kind::Account | Kind::RandomUser => self.put_enveloped(out, &envelope),
                };
                if self.options.duplicates > 0.0 {
                    self.recent.remember(&self.key, &out[start..]);
                }
                self.summary.events += 1;
                self.summary.personal_notes += u64::from(personal);
            }
        }
        self.summary.lines += 1;
        Some(sort)
    }

    /// What was generated so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// What the subject of this number, from 0 to `subjects` - 1, is known by.
    pub fn identifiers(&self, subject: u64) -> Identifiers {
        let person = Person::new(self.options.seed, subject);
        let text = |put: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            put(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        Identifiers {
            id: text(&|out| put_id(out, self.options.kind, &person)),
            email: text(&|out| person.put_email(out)),
        }
    }

    fn next_sort(&mut self) -> Sort {
        let bits = u128::from(self.draw.bits());
        let sort =
            self.bounds.iter().zip(SORTS).find(|(bound, _)| bits < **bound).map_or(Sort::Plain, |(_, sort)| sort);
        // The first lines have nothing to repeat.
        if sort == Sort::Duplicate && self.recent.is_empty() { Sort::Plain } else { sort }
    }

    fn next_envelope(&self, time: u64, consent: Consent) -> Envelope {
        let mut id = Draw::new(self.options.seed, Purpose::EventId, self.summary.lines);
        Envelope {
            id: (id.bits(), id.bits()),
            time,
            elapsed: time - self.earliest,
            consent,
            deleted: false,
            defect: None,
        }
    }

    /// Appends an event without its line feed. Returns true if its free text holds personal data.
    /// An event of a clickstream gets a visit of its own, which has no other event.
    fn put_event(&mut self, out: &mut Vec<u8>, time: u64, consent: Consent, defect: Option<Defect>) -> bool {
        let envelope = Envelope { defect, ..self.next_envelope(time, consent) };
        self.put_enveloped(out, &envelope)
    }

    /// Appends a deletion without its line feed.
    fn put_delete(&mut self, out: &mut Vec<u8>) {
        let envelope = Envelope { deleted: true, ..self.next_envelope(self.time, Consent::Given) };
        self.put_enveloped(out, &envelope);
    }

    /// Appends the next step of a visit without its line feed.
    fn put_step(&mut self, out: &mut Vec<u8>, envelope: &Envelope) -> bool {
        let (seed, subjects) = (self.options.seed, self.options.subjects);
        let visitor = |draw: &mut Draw| Person::new(seed, draw.below(subjects));
        let visit = self.visits.next(self.summary.lines, &mut self.draw, visitor);
        self.key.clear();
        put_id(&mut self.key, Kind::Clickstream, &visit.visitor);
        put_click(out, envelope, visit, &mut self.draw)
    }

    fn put_enveloped(&mut self, out: &mut Vec<u8>, envelope: &Envelope) -> bool {
        let number = self.draw.below(self.options.subjects);
        let person = Person::new(self.options.seed, number);
        self.key.clear();
        put_id(&mut self.key, self.options.kind, &person);
        match self.options.kind {
            Kind::Account => put_account(out, envelope, &person, &mut self.draw),
            Kind::RandomUser => {
                put_random_user(out, envelope, &person, &mut self.draw);
                false
            }
            Kind::Clickstream if envelope.deleted => {
                put_click_deletion(out, envelope, &person);
                false
            }
            Kind::Clickstream => {
                let visit = Visit::under_way(person, &mut self.draw);
                put_click(out, envelope, &visit, &mut self.draw)
            }
        }
    }
}

/// Appends the id that events of a kind know a subject by.
fn put_id(out: &mut Vec<u8>, kind: Kind, person: &Person) {
    match kind {
        Kind::Account | Kind::Clickstream => person.put_account_id(out),
        Kind::RandomUser => text::put_uuid(out, person.uuid.0, person.uuid.1),
    }
}
