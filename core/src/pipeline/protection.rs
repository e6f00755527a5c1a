//! Checks of one field's cleaning and protection, and of whether the two fit each other. `shapes`
//! checks them against the schema.

use lethe_crds::profile_pipeline::{Clean, DetectKind, Generalize, Protect, ValueMap};

use super::{
    GeneralizeRules, ProtectRules,
    mistake::{Notes, code},
    references::exactly_one,
};
use crate::seal::DEAD_LETTER_CLASS;

/// Key class of a field that names none.
const DEFAULT_CLASS: &str = "profile";
/// Default text of a redacted field.
const DEFAULT_REDACTED: &str = "[redacted]";
/// Every kind that detection finds.
const EVERY_KIND: [DetectKind; 6] =
    [DetectKind::Email, DetectKind::Phone, DetectKind::Card, DetectKind::Iban, DetectKind::Ipv4, DetectKind::Ipv6];

/// The form that the cleaning steps leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cleaned {
    /// Unchanged.
    Anything,
    /// An e-mail address or a phone number.
    Contact(Clean),
    /// RFC 3339.
    Time,
    /// A JSON number.
    Number,
}

/// Cleaning steps must be able to follow each other: `Number` and `Time` come last, and a value has
/// one form.
pub(super) fn clean(at: &str, steps: &[Clean], notes: &mut Notes) -> Cleaned {
    let mut state = Cleaned::Anything;
    for (i, &step) in steps.iter().enumerate() {
        let before = state;
        let gives_form = match step {
            Clean::Email | Clean::Phone => Some(Cleaned::Contact(step)),
            Clean::Time | Clean::TimeFromSeconds | Clean::TimeFromMillis => Some(Cleaned::Time),
            Clean::Number => Some(Cleaned::Number),
            Clean::Trim | Clean::Lowercase | Clean::Uppercase | Clean::Nfc | Clean::CollapseSpace => None,
        };
        let why = match (before, gives_form) {
            (Cleaned::Number, _) => Some("what Number makes is a number, and this step takes a text".to_owned()),
            (Cleaned::Time, _) => Some("what Time makes must stay as it is".to_owned()),
            (Cleaned::Contact(first), Some(_)) => {
                Some(format!("after {first:?} the value already has its form, and can't have two"))
            }
            (Cleaned::Contact(_) | Cleaned::Anything, _) => None,
        };
        if let Some(why) = why {
            notes.refuse(
                code::CLEAN_IMPOSSIBLE,
                format!("{at}[{i}]"),
                format!("{step:?} can't stand after {:?}: {why}", steps[i - 1]),
                "put steps such as Trim first and a single Email, Phone, Time or Number after them",
            );
            return before;
        }
        state = gives_form.unwrap_or(before);
    }
    state
}

/// Exactly one protection must be set, and it must be possible.
pub(super) fn protect(at: &str, protect: &Protect, category: &str, notes: &mut Notes) -> Option<ProtectRules> {
    let members = [
        ("keep", protect.keep.is_some()),
        ("drop", protect.drop.is_some()),
        ("redact", protect.redact.is_some()),
        ("mask", protect.mask.is_some()),
        ("hash", protect.hash.is_some()),
        ("encrypt", protect.encrypt.is_some()),
        ("generalize", protect.generalize.is_some()),
        ("pseudonymize", protect.pseudonymize.is_some()),
        ("redactDetected", protect.redact_detected.is_some()),
    ];
    exactly_one(at, &members, notes)?;
    if protect.keep.is_some() {
        return Some(ProtectRules::Keep);
    }
    if protect.drop.is_some() {
        return Some(ProtectRules::Drop);
    }
    if let Some(redact) = &protect.redact {
        return Some(ProtectRules::Redact(redact.with.clone().unwrap_or_else(|| DEFAULT_REDACTED.to_owned())));
    }
    if let Some(mask) = &protect.mask {
        let first = within(&format!("{at}.mask.keepFirst"), mask.keep_first.unwrap_or(0), 0, 64, notes);
        let last = within(&format!("{at}.mask.keepLast"), mask.keep_last.unwrap_or(0), 0, 64, notes);
        return Some(ProtectRules::Mask { keep_first: first?, keep_last: last? });
    }
    if protect.hash.is_some() {
        return Some(ProtectRules::Hash);
    }
    if let Some(encrypt) = &protect.encrypt {
        let class = encrypt.class.as_deref().unwrap_or(DEFAULT_CLASS);
        if class == DEAD_LETTER_CLASS {
            notes.refuse(
                code::KEY_CLASS_RESERVED,
                format!("{at}.encrypt.class"),
                "the key of class dead-letter seals a subject's dead letters, and nothing else",
                "give the class another name",
            );
            return None;
        }
        return Some(ProtectRules::Encrypt { class: class.to_owned() });
    }
    if let Some(generalize) = &protect.generalize {
        return generalized(&format!("{at}.generalize"), generalize, notes).map(ProtectRules::Generalize);
    }
    if let Some(pseudonymize) = &protect.pseudonymize {
        let space = pseudonymize.space.as_deref().unwrap_or(category);
        return Some(ProtectRules::Pseudonymize { space: space.to_owned() });
    }
    let kinds = protect.redact_detected.as_ref()?.kinds.as_deref().unwrap_or(&EVERY_KIND);
    if kinds.is_empty() {
        notes.refuse(
            code::LIST_EMPTY,
            format!("{at}.redactDetected.kinds"),
            "no kind of data is looked for, so nothing would be redacted",
            "name the kinds, or leave the list out to look for all",
        );
        return None;
    }
    Some(ProtectRules::RedactDetected(kinds.to_vec()))
}

fn generalized(at: &str, generalize: &Generalize, notes: &mut Notes) -> Option<GeneralizeRules> {
    let members = [
        ("prefix", generalize.prefix.is_some()),
        ("buckets", generalize.buckets.is_some()),
        ("date", generalize.date.is_some()),
        ("ip", generalize.ip.is_some()),
        ("map", generalize.map.is_some()),
    ];
    exactly_one(at, &members, notes)?;
    if let Some(prefix) = generalize.prefix {
        return within(&format!("{at}.prefix"), prefix, 1, 64, notes).map(GeneralizeRules::Prefix);
    }
    if let Some(bounds) = &generalize.buckets {
        if bounds.is_empty() || !bounds.is_sorted_by(|a, b| a < b) {
            notes.refuse(
                code::OUT_OF_RANGE,
                format!("{at}.buckets"),
                "buckets need at least one bound, and each bound must be larger than the one before",
                "write the bounds in ascending order, as in [18, 30, 50]",
            );
            return None;
        }
        return Some(GeneralizeRules::Buckets(bounds.clone()));
    }
    if let Some(precision) = generalize.date {
        return Some(GeneralizeRules::Date(precision));
    }
    if let Some(ip) = &generalize.ip {
        let v4 = within(&format!("{at}.ip.v4"), ip.v4.unwrap_or(24), 0, 32, notes);
        let v6 = within(&format!("{at}.ip.v6"), ip.v6.unwrap_or(48), 0, 128, notes);
        return Some(GeneralizeRules::Ip { v4: u8::try_from(v4?).ok()?, v6: u8::try_from(v6?).ok()? });
    }
    generalize.map.as_ref().and_then(|map| table(&format!("{at}.map"), map, notes))
}

fn table(at: &str, map: &ValueMap, notes: &mut Notes) -> Option<GeneralizeRules> {
    if map.values.is_empty() {
        notes.refuse(
            code::LIST_EMPTY,
            format!("{at}.values"),
            "a table without lines turns every value into the default",
            "add lines, or use redact",
        );
        return None;
    }
    for (i, line) in map.values.iter().enumerate() {
        if map.values[..i].iter().any(|earlier| earlier.from == line.from) {
            notes.refuse(
                code::DUPLICATE_NAME,
                format!("{at}.values[{i}].from"),
                "an earlier line of the table has the same value",
                "remove one of the two lines",
            );
            return None;
        }
    }
    let values = map.values.iter().map(|line| (line.from.clone(), line.to.clone())).collect();
    Some(GeneralizeRules::Map { values, default: map.default.clone() })
}

/// Refuses a number outside a range.
pub(super) fn within(at: &str, number: i32, least: i32, most: i32, notes: &mut Notes) -> Option<usize> {
    if (least..=most).contains(&number) {
        return usize::try_from(number).ok();
    }
    notes.refuse(
        code::OUT_OF_RANGE,
        at,
        format!("{number} is not between {least} and {most}"),
        format!("choose a number between {least} and {most}"),
    );
    None
}

/// The protection must be able to work on what cleaning leaves.
pub(super) fn together(at: &str, cleaned: Cleaned, protect: &ProtectRules, notes: &mut Notes) {
    let ProtectRules::Generalize(rules) = protect else { return };
    let (needs, possible) = match rules {
        GeneralizeRules::Date(_) => ("a date", matches!(cleaned, Cleaned::Anything | Cleaned::Time)),
        GeneralizeRules::Ip { .. } => ("an IP address", cleaned == Cleaned::Anything),
        GeneralizeRules::Buckets(_) => ("a number", matches!(cleaned, Cleaned::Anything | Cleaned::Number)),
        GeneralizeRules::Prefix(_) | GeneralizeRules::Map { .. } => return,
    };
    if !possible {
        let left = match cleaned {
            Cleaned::Contact(step) => format!("{step:?}"),
            Cleaned::Time => "Time".to_owned(),
            Cleaned::Number | Cleaned::Anything => "Number".to_owned(),
        };
        notes.refuse(
            code::PROTECT_IMPOSSIBLE,
            at,
            format!("generalize needs {needs} here, and after {left} the value is none"),
            "change the cleaning step or the protection",
        );
    }
}
