//! What can be wrong with a line.

use super::draw::Draw;

/// A way in which an event breaks its schema. Each is one that every kind of event can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// No event id.
    NoEventId,
    /// No subject.
    NoSubject,
    /// The subject's id is a list.
    SubjectIsList,
    /// The e-mail address is a number.
    EmailIsNumber,
    /// The e-mail address has no `@`.
    EmailWithoutAt,
    /// A text is longer than allowed.
    TextTooLong,
    /// A number is written as a text.
    NumberAsText,
    /// The time is a word.
    TimeUnreadable,
    /// A word that the schema doesn't list.
    UnknownWord,
    /// A text where an object must be.
    TextAsObject,
    /// A date in a month that doesn't exist.
    MonthImpossible,
    /// The event is wrapped in a list.
    InList,
}

impl Defect {
    /// Every defect.
    pub(super) const ALL: [Defect; 12] = [
        Defect::NoEventId,
        Defect::NoSubject,
        Defect::SubjectIsList,
        Defect::EmailIsNumber,
        Defect::EmailWithoutAt,
        Defect::TextTooLong,
        Defect::NumberAsText,
        Defect::TimeUnreadable,
        Defect::UnknownWord,
        Defect::TextAsObject,
        Defect::MonthImpossible,
        Defect::InList,
    ];
}

/// A way in which a line is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Cut anywhere, perhaps inside of a character.
    Cut,
    /// Bytes of something else.
    Binary,
    /// A number that JSON doesn't know.
    NotANumber,
    /// A comma before the last brace.
    TrailingComma,
    /// Single quotes.
    SingleQuotes,
    /// Two objects without a line feed between them.
    TwoObjects,
    /// A log line in place of an event.
    Prose,
}

impl Damage {
    /// Every damage.
    pub(super) const ALL: [Damage; 7] = [
        Damage::Cut,
        Damage::Binary,
        Damage::NotANumber,
        Damage::TrailingComma,
        Damage::SingleQuotes,
        Damage::TwoObjects,
        Damage::Prose,
    ];

    /// Damages the JSON object that begins at `start` in `out` and ends without a line feed.
    pub(super) fn apply(self, out: &mut Vec<u8>, start: usize, draw: &mut Draw) {
        match self {
            Damage::Cut => {
                let longest = (out.len() - start - 1) as u64;
                out.truncate(start + 1 + draw.below(longest) as usize);
            }
            Damage::Binary => {
                out.truncate(start);
                // 0xff begins no character of UTF-8, so that the rest can't become JSON by chance.
                out.push(0xff);
                for _ in 0..4 + draw.below(28) {
                    out.extend(
                        draw.bits().to_le_bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { 0 } else { byte }),
                    );
                }
            }
            Damage::NotANumber => {
                out.pop();
                out.extend_from_slice(b",\"score\":NaN}");
            }
            Damage::TrailingComma => {
                out.pop();
                out.extend_from_slice(b",}");
            }
            Damage::SingleQuotes => {
                for byte in &mut out[start..] {
                    if *byte == b'"' {
                        *byte = b'\'';
                    }
                }
            }
            Damage::TwoObjects => out.extend_from_slice(b"{\"event_id\":\"again\"}"),
            Damage::Prose => {
                out.truncate(start);
                out.extend_from_slice(b"ERROR upstream timed out after 30000 ms, giving up");
            }
        }
    }
}
