//! What both kinds of event have in common: id, time, consent, deletion.

use super::{
    draw::Draw,
    fault::Defect,
    text::{put, put_hex_group, put_number, put_time, put_uuid},
};

/// What an event says beside its subject.
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

/// What an event says about consent.
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

/// Appends an address of the ranges for documentation (RFC 5737, RFC 3849): one in four is IPv6.
pub(super) fn put_ip(out: &mut Vec<u8>, draw: &mut Draw) {
    const NETS: [&str; 3] = ["192.0.2.", "198.51.100.", "203.0.113."];
    let bits = draw.bits();
    if bits.is_multiple_of(4) {
        // Two groups of zeros at least, and none outside of them: the canonical form of RFC 5952.
        put(out, "2001:db8:");
        put_hex_group(out, (bits >> 8) | 1);
        out.push(b':');
        put_hex_group(out, (bits >> 24) | 1);
        put(out, "::");
        put_hex_group(out, (bits >> 40) | 1);
    } else {
        put(out, NETS[(bits >> 8) as usize % NETS.len()]);
        put_number(out, 1 + (bits >> 16) % 254);
    }
}
