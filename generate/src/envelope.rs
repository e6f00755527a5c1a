//! What kinds of event have in common: id, time, subject, e-mail address, consent, deletion.

use super::{
    fault::Defect,
    person::Person,
    text::{put, put_time, put_uuid},
};

/// The members that every event has beside its subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    /// Bits of the event's id.
    pub(super) id: (u64, u64),
    /// Its time in milliseconds since 1970.
    pub(super) time: u64,
    /// Milliseconds since the first time that an event can have.
    pub(super) elapsed: u64,
    /// Whether the subject agreed.
    pub(super) consent: Consent,
    /// Whether it deletes the profile.
    pub(super) deleted: bool,
    /// What is wrong with it.
    pub(super) defect: Option<Defect>,
}

/// The consent that an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// `true`.
    Given,
    /// `false`.
    Refused,
    /// `null`.
    Null,
    /// Nothing.
    Absent,
}

impl Envelope {
    /// Appends `{"event_id":"…","timestamp":"…"`, ready for a comma.
    pub(super) fn put_head(&self, out: &mut Vec<u8>) {
        if self.defect == Some(Defect::InList) {
            out.push(b'[');
        }
        out.push(b'{');
        if self.defect != Some(Defect::NoEventId) {
            put(out, "\"event_id\":\"");
            put_uuid(out, self.id.0, self.id.1);
            put(out, "\",");
        }
        put(out, "\"timestamp\":\"");
        if self.defect == Some(Defect::TimeUnreadable) {
            put(out, "yesterday");
        } else {
            put_time(out, self.time);
        }
        out.push(b'"');
    }

    /// Appends `,"consent":{…}`.
    pub(super) fn put_consent(&self, out: &mut Vec<u8>) {
        put(
            out,
            match self.consent {
                Consent::Given => ",\"consent\":{\"marketing\":true}",
                Consent::Refused => ",\"consent\":{\"marketing\":false}",
                Consent::Null => ",\"consent\":{\"marketing\":null}",
                Consent::Absent => ",\"consent\":{}",
            },
        );
    }

    /// Appends what closes the event, without a line feed.
    pub(super) fn put_tail(&self, out: &mut Vec<u8>) {
        if self.deleted {
            put(out, ",\"deleted\":true");
        }
        out.push(b'}');
        if self.defect == Some(Defect::InList) {
            out.push(b']');
        }
    }
}

/// Appends `,"user_id":"…"`, or what is wrong with it.
pub(super) fn put_account_subject(out: &mut Vec<u8>, person: &Person, defect: Option<Defect>) {
    match defect {
        Some(Defect::NoSubject) => {}
        Some(Defect::SubjectIsList) => {
            put(out, ",\"user_id\":[\"");
            person.put_account_id(out);
            put(out, "\"]");
        }
        _ => {
            put(out, ",\"user_id\":\"");
            person.put_account_id(out);
            out.push(b'"');
        }
    }
}

/// Appends `"email":"…"`, or what is wrong with it.
pub(super) fn put_email(out: &mut Vec<u8>, person: &Person, defect: Option<Defect>) {
    put(out, "\"email\":");
    match defect {
        Some(Defect::EmailIsNumber) => put(out, "4711"),
        Some(Defect::EmailWithoutAt) => put(out, "\"unknown\""),
        _ => {
            out.push(b'"');
            person.put_email(out);
            out.push(b'"');
        }
    }
}
