//! The first step: read what an event is.

use std::{borrow::Cow, fmt::Write, sync::Arc};

use lethe_crds::profile_pipeline::{Canonical, Undeclared, ZeroTime};

use super::{Engine, Facts, Intent, MAX_EVENT, Reading, Record, Scratch, tombstone_key};
use crate::{
    identity::{Token, canonical, is_rounded},
    json::{payload, unescape, unescape_into},
    pipeline::{Pointer, RESERVED},
    plan::Slot,
    reason::{Reason, Rejection},
    scalar::Scalar,
    schema::Kind,
    time::{has_four_digit_year, is_zero_time, parse_event_time},
    version::{IdDigest, Version},
    walk::{Found, Item, walk},
};

/// The longest event id that is taken, in bytes.
const MAX_ID: usize = 512;

/// The subject of an event.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The subject.
    pub token: Token,
    /// Its aliases: name, token.
    pub aliases: Vec<(String, Token)>,
}

/// Why an event is not processed.
enum Stop {
    Denied,
    Rejected(Rejection),
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Stop::Rejected(rejection)
    }
}

impl Engine {
    /// Reads one record. What else it found stays in `scratch` until the next record is read.
    ///
    /// `now`, in milliseconds since 1970, only decides whether the event is of the future.
    pub fn read(&self, record: &Record<'_>, now: i64, scratch: &mut Scratch) -> Reading {
        scratch.forget();
        let facts = match record.value {
            Some(value) => self.read_event(record, value, now, scratch),
            None => self.read_tombstone(record, now, scratch).map_err(Stop::from),
        };
        match facts {
            Ok(facts) => Reading::Process(facts),
            Err(Stop::Denied) => Reading::Denied,
            Err(Stop::Rejected(rejection)) => Reading::Rejected(rejection),
        }
    }

    fn read_event(&self, record: &Record<'_>, value: &[u8], now: i64, scratch: &mut Scratch) -> Result<Facts, Stop> {
        if value.len() > MAX_EVENT {
            return Err(Rejection::whole(Reason::TooLarge).into());
        }
        let text = simdutf8::basic::from_utf8(payload(value)).map_err(|_| Rejection::whole(Reason::InvalidUtf8))?;
        walk(&self.plan, text, &mut scratch.tape)?;
        let intent = self.read_intent(text, scratch);
        scratch.deleted = intent == Intent::Delete && self.event.deleted_subject.is_some();
        // Before every rule: of an event without consent, nothing is kept, not even a dead letter.
        if !self.agreed(intent, text, scratch) {
            return Err(Stop::Denied);
        }
        read_who(text, scratch);
        if let Some(broken) = scratch.tape.broken.take() {
            return Err(broken.into());
        }
        self.check_reserved(text, scratch)?;
        if !scratch.readable {
            return Err(at(Reason::SubjectInvalid, self.subject_path(scratch)).into());
        }
        self.read_id(record, text, scratch)?;
        let digest = IdDigest::of(scratch.id.as_bytes());
        let (time, version) = self.read_time(record, text, &digest, now, scratch)?;
        Ok(Facts { intent, time, version, digest })
    }

    /// Where undeclared data passes, it must not use the names of members that Lethe itself writes.
    fn check_reserved(&self, text: &str, scratch: &Scratch) -> Result<(), Rejection> {
        if !matches!(self.event.undeclared, Undeclared::Keep | Undeclared::Detect) {
            return Ok(());
        }
        let items = &scratch.tape.items;
        let mut at = 1;
        while let Some(item) = items.get(at) {
            if item.field == Item::UNDECLARED && RESERVED.contains(&&*unescape(item.key(text))) {
                let path = Some(Arc::from("/*"));
                return Err(Rejection { reason: Reason::ReservedName, rule: None, path });
            }
            at = item.end as usize;
        }
        Ok(())
    }

    fn read_tombstone(&self, record: &Record<'_>, now: i64, scratch: &mut Scratch) -> Result<Facts, Rejection> {
        if !self.event.delete_tombstone {
            return Err(Rejection::whole(Reason::NotAnObject));
        }
        let key = record.key.filter(|key| tombstone_key::subject(key, &self.event.tombstone_key).is_some());
        let Some(key) = key else { return Err(Rejection::whole(Reason::SubjectInvalid)) };
        scratch.tape.clear();
        // No JSON value begins with this byte, so a key never equals a value.
        scratch.who.push(1);
        scratch.who.extend_from_slice(key);
        scratch.readable = true;
        push_position(record, &mut scratch.id);
        let digest = IdDigest::of(scratch.id.as_bytes());
        let time = self.own_time(record, now)?;
        let version = self.version(time, None, &digest)?;
        Ok(Facts { intent: Intent::Delete, time, version, digest })
    }

    fn read_id(&self, record: &Record<'_>, text: &str, scratch: &mut Scratch) -> Result<(), Rejection> {
        let Some(path) = &self.event.id else {
            push_position(record, &mut scratch.id);
            return Ok(());
        };
        let Scratch { tape, id, .. } = scratch;
        match tape.find(Slot::Id) {
            Some(found) if is_rounded_at(text, found) => {}
            Some(Found { kind: Kind::Text, value, .. }) => unescape_into(&text[value.start + 1..value.end - 1], id),
            Some(Found { kind: Kind::Integer, value, .. }) => id.push_str(&text[value.clone()]),
            _ => {}
        }
        if id.is_empty() || id.len() > MAX_ID { Err(at(Reason::IdInvalid, path)) } else { Ok(()) }
    }

    fn read_time(
        &self,
        record: &Record<'_>,
        text: &str,
        id: &IdDigest,
        now: i64,
        scratch: &Scratch,
    ) -> Result<(i64, i64), Rejection> {
        let Some(path) = &self.event.time else {
            let time = self.own_time(record, now)?;
            return Ok((time, self.version(time, None, id)?));
        };
        let instant = scratch
            .tape
            .find(Slot::Time)
            .and_then(|found| scalar(text, found.kind, &found.value))
            .and_then(|value| parse_event_time(&value, self.event.time_unit))
            .filter(|instant| self.is_set(instant.millis))
            .ok_or_else(|| at(Reason::TimeInvalid, path))?;
        let time = instant.millis;
        if time > now.saturating_add(self.event.max_ahead) {
            return Err(at(Reason::TimeAhead, path));
        }
        let sequence = match &self.event.sequence {
            Some(path) => Some(
                scratch
                    .tape
                    .find(Slot::Sequence)
                    .filter(|found| found.kind == Kind::Integer)
                    .and_then(|found| text[found.value.clone()].parse::<i64>().ok())
                    .ok_or_else(|| at(Reason::SequenceInvalid, path))?,
            ),
            None => None,
        };
        let sequence = sequence.filter(|_| instant.whole_seconds);
        let version = self.version(time, sequence, id).map_err(|_| at(Reason::TimeInvalid, path))?;
        Ok((time, version))
    }

    /// Returns the time of a record that only its timestamp tells.
    fn own_time(&self, record: &Record<'_>, now: i64) -> Result<i64, Rejection> {
        let time = record.timestamp.filter(|time| has_four_digit_year(*time) && self.is_set(*time));
        let time = time.ok_or_else(|| Rejection::whole(Reason::TimeInvalid))?;
        if time > now.saturating_add(self.event.max_ahead) {
            return Err(Rejection::whole(Reason::TimeAhead));
        }
        Ok(time)
    }

    /// Returns whether an event may have this time: most zero times were never set.
    fn is_set(&self, time: i64) -> bool {
        self.event.zero_time == ZeroTime::Accept || !is_zero_time(time)
    }

    /// Returns where the subject of the event was looked for.
    fn subject_path(&self, scratch: &Scratch) -> &Pointer {
        self.event.deleted_subject.as_ref().filter(|_| scratch.deleted).unwrap_or(&self.event.subject)
    }

    /// A record's own timestamp can be any number, such as microseconds in place of milliseconds.
    fn version(&self, time: i64, sequence: Option<i64>, id: &IdDigest) -> Result<i64, Rejection> {
        if !has_four_digit_year(time) {
            return Err(Rejection::whole(Reason::TimeInvalid));
        }
        Version::of(time, sequence, self.revision, id)
            .map(Version::get)
            .map_err(|_| Rejection::whole(Reason::TimeInvalid))
    }

    fn read_intent(&self, text: &str, scratch: &Scratch) -> Intent {
        let Some((_, wanted)) = &self.event.delete_when else { return Intent::Write };
        let value = scratch.tape.find(Slot::Delete).and_then(|found| scalar(text, found.kind, &found.value));
        let deletes = value.as_ref().and_then(Scalar::as_text) == Some(wanted);
        if deletes { Intent::Delete } else { Intent::Write }
    }

    /// Returns whether an event may be kept. A deletion needs no consent. Consent that is declared
    /// twice in one event is granted twice, or not at all.
    fn agreed(&self, intent: Intent, text: &str, scratch: &Scratch) -> bool {
        let (Some(consent), Intent::Write) = (&self.consent, intent) else { return true };
        let granted = |found: &Found| match (&consent.granted, scalar(text, found.kind, &found.value)) {
            (None, Some(Scalar::Bool(agreed))) => agreed,
            (Some(granted), Some(value)) => value.as_text().is_some_and(|text| granted.iter().any(|one| one == text)),
            _ => false,
        };
        let mut found = scratch.tape.found.iter().filter(|found| found.slot == Slot::Consent).peekable();
        found.peek().is_some() && found.all(granted)
    }

    /// Returns the subject of the event that was read last. It is only needed if a cache does not
    /// have [`Scratch::who`]. An alias without a canonical form is left out.
    pub fn identify(&self, record: &Record<'_>, scratch: &mut Scratch) -> Result<Identity, Rejection> {
        let text = text_of(record);
        let mut out = std::mem::take(&mut scratch.text);
        let subject = match record.value {
            Some(_) => {
                scratch.tape.find(subject_slot(scratch)).and_then(|found| scalar(text, found.kind, &found.value))
            }
            None => record.key.and_then(|key| tombstone_key::subject(key, &self.event.tombstone_key)),
        };
        let mut one = |value: &Scalar<'_>, form: Canonical| {
            out.clear();
            canonical(value, form, self.event.canonical_version, self.region.as_deref(), &mut out)
                .ok()
                .map(|()| out.clone())
        };
        let subject = subject
            .and_then(|value| one(&value, self.event.canonical))
            .ok_or_else(|| at(Reason::SubjectInvalid, self.subject_path(scratch)))?;
        let token = self.ring.token(&self.event.space, &subject);
        let mut aliases = Vec::new();
        for found in &scratch.tape.found {
            let Slot::Alias(index) = found.slot else { continue };
            let rules = &self.event.aliases[usize::from(index)];
            let value = scalar(text, found.kind, &found.value).filter(|value| !is_rounded(value));
            let value = value.and_then(|value| one(&value, rules.canonical));
            if let Some(value) = value {
                let token = self.ring.alias_token(&self.event.space, &rules.name, &value);
                aliases.push((rules.name.clone(), token));
            }
        }
        scratch.text = out;
        Ok(Identity { token, aliases })
    }
}

/// Records the bytes that identify the subject.
fn read_who(text: &str, scratch: &mut Scratch) {
    let subject = subject_slot(scratch);
    let Scratch { tape, who, readable, .. } = scratch;
    for found in &tape.found {
        match found.slot {
            slot if slot == subject => {
                let scalar = !matches!(found.kind, Kind::Object | Kind::Array | Kind::Null | Kind::Bool);
                *readable = scalar && !is_rounded_at(text, found);
            }
            Slot::Alias(_) => {}
            Slot::Id
            | Slot::Time
            | Slot::Sequence
            | Slot::Subject
            | Slot::Consent
            | Slot::Delete
            | Slot::DeletedSubject => continue,
        }
        // JSON text holds no zero byte, so the parts cannot run into each other.
        match found.slot {
            Slot::Alias(index) => {
                who.push(2);
                who.extend_from_slice(&index.to_le_bytes());
            }
            _ => who.push(0),
        }
        who.extend_from_slice(text[found.value.clone()].as_bytes());
        who.push(0);
    }
}

/// Returns where the subject of the event is.
fn subject_slot(scratch: &Scratch) -> Slot {
    if scratch.deleted { Slot::DeletedSubject } else { Slot::Subject }
}

/// Returns whether a value is an identifier that was probably rounded.
fn is_rounded_at(text: &str, found: &Found) -> bool {
    let raw = text[found.value.clone()].as_bytes();
    // Most identifiers are told apart by their first byte.
    let digits = matches!(raw, [b'"', b'-' | b'0'..=b'9', ..] | [b'-' | b'0'..=b'9', ..]);
    digits && scalar(text, found.kind, &found.value).is_some_and(|value| is_rounded(&value))
}

fn push_position(record: &Record<'_>, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{}|{}", record.stream, record.offset);
}

/// Returns the text of a record, which the walk has found to be UTF-8; empty for a tombstone.
pub(super) fn text_of<'r>(record: &Record<'r>) -> &'r str {
    record.value.map_or("", |value| simdutf8::basic::from_utf8(payload(value)).unwrap_or_default())
}

/// Returns a rejection at a declared path.
fn at(reason: Reason, path: &Pointer) -> Rejection {
    Rejection { reason, rule: None, path: Some(Arc::from(path.to_string())) }
}

/// Returns a checked value as a scalar; `None` for objects and arrays.
pub(super) fn scalar<'t>(text: &'t str, kind: Kind, value: &std::ops::Range<usize>) -> Option<Scalar<'t>> {
    let raw = &text[value.clone()];
    match kind {
        Kind::Null => Some(Scalar::Null),
        Kind::Bool => Some(Scalar::Bool(raw == "true")),
        Kind::Integer | Kind::Number => Some(Scalar::Number(Cow::Borrowed(raw))),
        Kind::Text => Some(Scalar::Text(unescape(&raw[1..raw.len() - 1]))),
        Kind::Array | Kind::Object => None,
    }
}
