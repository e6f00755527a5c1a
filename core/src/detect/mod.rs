//! Personal data inside a free text: where it is, and the text without it.
//!
//! The scanners are written by hand, without regular expressions: one pass over the bytes that
//! stops only at `@`, `:` and digits, and examines their surroundings. Data with a checksum or a
//! grammar of its own (addresses, cards, IBANs) is found first; phone numbers, which have neither,
//! only in the rest. Every examination is bounded, so that the whole is linear in the length of the
//! text.
//!
//! A text that is not ASCII is searched twice: as it is, and as a copy in which full-width letters,
//! digits of other scripts and characters that nobody sees count as what a reader takes them for
//! (`folded`). ASCII texts pay one check for that.
//!
//! What is found of one kind does not depend on which other kinds are requested: an IPv4 address is
//! never a phone number, even if only phone numbers are redacted.

mod around;
mod card;
mod context;
mod email;
mod folded;
mod iban;
mod ip;
mod names;
mod phone;

use std::{borrow::Cow, ops::Range};

pub use lethe_crds::profile_pipeline::DetectKind;

use self::folded::Folded;
pub use self::names::{TellingName, telling_name};
use crate::json::{Decimal, Spelling};

/// Personal data in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: DetectKind,
    /// Its position in bytes, on character boundaries.
    pub range: Range<usize>,
}

/// Finds personal data of some kinds.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    /// One bit for each kind.
    kinds: u8,
}

impl Detector {
    /// Returns a detector of these kinds, or of all if the list is empty.
    pub fn new(kinds: &[DetectKind]) -> Self {
        let bits = kinds.iter().fold(0, |bits, kind| bits | bit(*kind));
        Self { kinds: if bits == 0 { u8::MAX } else { bits } }
    }

    /// Replaces the content of `found` by what the text holds, in the order of the text, without
    /// overlaps. The finding that begins first counts, then the longest, then by kind: IBAN, card,
    /// e-mail, IPv6, IPv4.
    pub fn find(&self, text: &str, found: &mut Vec<Finding>) {
        scan(text, found);
        if let Some(folded) = Folded::of(text) {
            let mut more = Vec::new();
            scan(&folded.text, &mut more);
            for finding in &mut more {
                finding.range = folded.original(&finding.range);
            }
            unite(found, more);
        }
        found.retain(|finding| self.kinds & bit(finding.kind) != 0);
    }

    /// Returns the text with every finding replaced by its kind, as in `[email]`; borrowed if there
    /// is none. The result holds no further finding.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = Vec::new();
        self.find(text, &mut found);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut redacted = replace(text, &found);
        // Text beside a finding can become one itself once that is replaced. Each round leaves
        // fewer of the digits, `@` and `:` that every finding has, so this ends.
        loop {
            self.find(&redacted, &mut found);
            if found.is_empty() {
                return Cow::Owned(redacted);
            }
            redacted = replace(&redacted, &found);
        }
    }

    /// Returns a JSON number with every finding replaced; borrowed if there is none. A number in
    /// exponent form is searched as it would be written out: `4.111111111111111e15` is a card.
    pub fn redact_number<'a>(&self, number: &'a str) -> Cow<'a, str> {
        if let Some(plain) = written_out(number)
            && let Cow::Owned(redacted) = self.redact(&plain)
        {
            return Cow::Owned(redacted);
        }
        self.redact(number)
    }

    /// Returns whether the text holds no finding.
    pub fn is_clean(&self, text: &str) -> bool {
        let mut found = Vec::new();
        self.find(text, &mut found);
        found.is_empty()
    }
}

/// The most digits of a number that is written out to be searched. Nothing that is found has more.
const MAX_DIGITS: usize = 64;

/// Returns a number with a fraction or an exponent as digits alone, if it is not too long.
fn written_out(number: &str) -> Option<String> {
    if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return None;
    }
    let mut plain = String::new();
    Decimal::parse_as(number, Spelling::Padded)?.push_plain(MAX_DIGITS, &mut plain)?;
    Some(plain)
}

/// Returns the text that replaces a finding.
pub const fn placeholder(kind: DetectKind) -> &'static str {
    match kind {
        DetectKind::Email => "[email]",
        DetectKind::Phone => "[phone]",
        DetectKind::Card => "[card]",
        DetectKind::Iban => "[iban]",
        DetectKind::Ipv4 => "[ipv4]",
        DetectKind::Ipv6 => "[ipv6]",
    }
}

const fn bit(kind: DetectKind) -> u8 {
    1 << priority(kind)
}

/// Returns which of two findings of one range counts: the lower one.
const fn priority(kind: DetectKind) -> u8 {
    match kind {
        DetectKind::Iban => 0,
        DetectKind::Card => 1,
        DetectKind::Email => 2,
        DetectKind::Ipv6 => 3,
        DetectKind::Ipv4 => 4,
        DetectKind::Phone => 5,
    }
}

fn replace(text: &str, found: &[Finding]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for Finding { kind, range } in found {
        out.push_str(&text[from..range.start]);
        out.push_str(placeholder(*kind));
        from = range.end;
    }
    out.push_str(&text[from..]);
    out
}

/// What can begin with a byte: for most bytes nothing.
const DULL: u8 = 0;
const DIGIT: u8 = 1;
const AT: u8 = 2;
const COLON: u8 = 3;

static CLASSES: [u8; 256] = {
    let mut classes = [DULL; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        classes[digit as usize] = DIGIT;
        digit += 1;
    }
    classes[b'@' as usize] = AT;
    classes[b':' as usize] = COLON;
    classes
};

/// Replaces the content of `found` by what a text holds, read as it is.
fn scan(text: &str, found: &mut Vec<Finding>) {
    found.clear();
    let digits = certain(text, found);
    if found.len() > 1 {
        keep_leftmost_longest(found);
    }
    if digits >= phone::FEWEST_DIGITS {
        uncertain(text, found);
    }
}

/// Adds the findings of a second reading. Where the two overlap, everything that either found is
/// one finding, of the kind of the second.
fn unite(found: &mut Vec<Finding>, second: Vec<Finding>) {
    if second.is_empty() {
        return;
    }
    let first = std::mem::take(found);
    let mut all: Vec<(Finding, bool)> = first.into_iter().map(|finding| (finding, false)).collect();
    all.extend(second.into_iter().map(|finding| (finding, true)));
    all.sort_by_key(|(finding, second)| (finding.range.start, !second));
    let mut last_is_second = false;
    for (finding, is_second) in all {
        match found.last_mut() {
            Some(last) if finding.range.start < last.range.end => {
                last.range.end = last.range.end.max(finding.range.end);
                if is_second && !last_is_second {
                    last.kind = finding.kind;
                    last_is_second = true;
                }
            }
            _ => {
                last_is_second = is_second;
                found.push(finding);
            }
        }
    }
}

/// Finds everything with a checksum or a grammar. Returns how many digits the text has.
fn certain(text: &str, found: &mut Vec<Finding>) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut digits, mut past_token) = (0, 0, 0);
    while let Some(dull) = bytes[at..].iter().position(|byte| CLASSES[usize::from(*byte)] != DULL) {
        at += dull;
        let mut add = |kind, range: Option<Range<usize>>| {
            found.extend(range.map(|range| Finding { kind, range }));
        };
        match CLASSES[usize::from(bytes[at])] {
            AT => {
                add(DetectKind::Email, email::around(text, at));
                at += 1;
            }
            COLON => {
                if at >= past_token && ip::may_be_v6(bytes, at) {
                    let (range, end) = ip::v6_around(text, at, past_token);
                    add(DetectKind::Ipv6, range);
                    past_token = end;
                }
                at += 1;
            }
            _ => {
                let length = around::digits(bytes, at);
                digits += length;
                if length <= 3 {
                    add(DetectKind::Ipv4, ip::v4_at(text, at));
                }
                if length >= 2 {
                    add(DetectKind::Iban, iban::at_check_digits(bytes, at));
                }
                if length >= 4 {
                    add(DetectKind::Card, card::at(bytes, at));
                }
                at += length;
            }
        }
    }
    digits
}

/// Finds phone numbers in the text between the other findings.
fn uncertain(text: &str, found: &mut Vec<Finding>) {
    let bytes = text.as_bytes();
    let certain = found.len();
    let mut next = 0;
    let mut at = 0;
    while let Some(dull) = bytes[at..].iter().position(u8::is_ascii_digit) {
        at += dull;
        while next < certain && found[next].range.end <= at {
            next += 1;
        }
        let taken = found[..certain].get(next).map(|finding| finding.range.clone());
        let end = taken.as_ref().map_or(bytes.len(), |taken| taken.start);
        if at >= end {
            at = taken.map_or(bytes.len(), |taken| taken.end);
            continue;
        }
        let from = if next == 0 { 0 } else { found[next - 1].range.end };
        match phone::at(text, at, from..end) {
            Some(range) => {
                at = range.end;
                found.push(Finding { kind: DetectKind::Phone, range });
            }
            None => at += around::digits(bytes, at),
        }
    }
    if found.len() > certain {
        found.sort_unstable_by_key(|finding| finding.range.start);
    }
}

fn keep_leftmost_longest(found: &mut Vec<Finding>) {
    found.sort_unstable_by_key(|finding| {
        (finding.range.start, std::cmp::Reverse(finding.range.end), priority(finding.kind))
    });
    let mut end = 0;
    found.retain(|finding| {
        let free = finding.range.start >= end;
        if free {
            end = finding.range.end;
        }
        free
    });
}

#[cfg(test)]
mod tests;
