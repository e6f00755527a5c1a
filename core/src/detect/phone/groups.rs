//! Groups of digits and what stands between them.

use crate::detect::around;

/// Most groups that are looked at.
const MOST_GROUPS: usize = 8;
/// Most digits: 15 of E.164, the exit code `011`, and the trunk zero in `+49 (0)30`.
const MOST_DIGITS: usize = 19;

/// What stands between two groups.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    Blank,
    Dash,
    Dot,
    Slash,
    Bracket,
}

/// Up to eight groups of digits in a row.
pub(super) struct Groups {
    digits: [u8; MOST_DIGITS],
    sizes: [u8; MOST_GROUPS],
    /// Where each group ends.
    ends: [usize; MOST_GROUPS],
    /// What follows each group but the last.
    gaps: [Gap; MOST_GROUPS],
    /// Whether another number can begin after each group: a blank or a bracket is in the gap.
    parts: [bool; MOST_GROUPS],
    count: usize,
}

impl Groups {
    /// Reads groups from a digit on. `None` when even the first has too many digits.
    pub(super) fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let mut groups = Self {
            digits: [0; MOST_DIGITS],
            sizes: [0; MOST_GROUPS],
            ends: [0; MOST_GROUPS],
            gaps: [Gap::Blank; MOST_GROUPS],
            parts: [false; MOST_GROUPS],
            count: 0,
        };
        let (mut at, mut filled) = (at, 0);
        loop {
            let size = around::digits(bytes, at);
            if filled + size > MOST_DIGITS {
                // Digits go on: a gap that is no blank would cut a number in two.
                return groups.cut_at_blank();
            }
            groups.digits[filled..filled + size].copy_from_slice(&bytes[at..at + size]);
            filled += size;
            groups.sizes[groups.count] = size as u8;
            groups.ends[groups.count] = at + size;
            groups.count += 1;
            let Some((gap, parts, length)) = gap(bytes, at + size) else { return Some(groups) };
            groups.gaps[groups.count - 1] = gap;
            groups.parts[groups.count - 1] = parts;
            if groups.count == MOST_GROUPS {
                return groups.cut_at_blank();
            }
            at += size + length;
        }
    }

    /// Drops the last group, and more until another number can follow. Answers whether any is left.
    pub(super) fn shorten(&mut self) -> bool {
        while self.count > 1 {
            self.count -= 1;
            if self.parts[self.count - 1] {
                return true;
            }
        }
        false
    }

    fn cut_at_blank(mut self) -> Option<Self> {
        (self.count > 0 && (self.parts[self.count - 1] || self.shorten())).then_some(self)
    }

    /// How many digits there are.
    pub(super) fn digits(&self) -> usize {
        self.sizes().iter().map(|size| usize::from(*size)).sum()
    }

    /// The digits of all groups.
    pub(super) fn all(&self) -> &[u8] {
        &self.digits[..self.digits()]
    }

    /// How many digits each group has.
    pub(super) fn sizes(&self) -> &[u8] {
        &self.sizes[..self.count]
    }

    /// How many digits a group has; 0 when there is none.
    pub(super) fn len(&self, group: usize) -> usize {
        self.sizes().get(group).map_or(0, |size| usize::from(*size))
    }

    /// What follows a group.
    pub(super) fn gap(&self, group: usize) -> Gap {
        self.gaps[group]
    }

    /// Whether they are three groups or more of four, as in a card's number or an IBAN; the last may be shorter.
    pub(super) fn are_fours(&self) -> bool {
        matches!(self.sizes(), [fours @ .., last] if fours.len() >= 2 && fours.iter().all(|size| *size == 4) && *last <= 4)
    }

    /// Whether all groups are pairs, and how many stand there, those that were dropped too.
    pub(super) fn pairs(&self) -> Option<usize> {
        let pairs = self.sizes.iter().take_while(|size| **size == 2).count();
        (pairs >= self.count).then_some(pairs)
    }

    /// Where the last group ends.
    pub(super) fn end(&self) -> usize {
        self.ends[self.count - 1]
    }

    /// Whether it begins with a day: `2.11.2026`, `02 11 2026`, `2026-11-02`, or `02-11-26 09` with a time after it.
    pub(super) fn is_date(&self) -> bool {
        let ([first, second, third, ..], [one, two, ..]) = (self.sizes(), &self.gaps[..self.count]) else {
            return false;
        };
        if one != two || *one == Gap::Bracket || self.sizes[..3].iter().any(|size| *size > 4) {
            return false;
        }
        let value = |from: usize, size: u8| {
            self.digits[from..from + usize::from(size)]
                .iter()
                .fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'))
        };
        let (a, b) = (value(0, *first), value(usize::from(*first), *second));
        let c = value(usize::from(first + second), *third);
        let is_day = |day: u32, month: u32| (1..=31).contains(&day) && (1..=12).contains(&month);
        match (first, second, third) {
            (4, 1..=2, 1..=2) => is_day(c, b) && (1800..2200).contains(&a),
            (1..=2, 1..=2, 4) => (is_day(a, b) || is_day(b, a)) && (1800..2200).contains(&c),
            (2, 2, 2) => is_day(a, b) && *one != Gap::Blank && self.count > 3 && self.gaps[2] == Gap::Blank,
            _ => false,
        }
    }

    /// Whether it is written as an IPv4 address or a version is.
    pub(super) fn looks_like_v4(&self) -> bool {
        self.count >= 4
            && self.gaps[..3].iter().all(|gap| *gap == Gap::Dot)
            && self.sizes[..4].iter().all(|size| *size <= 3)
            && (self.digits[0] != b'0' || self.sizes[0] == 1)
    }
}

/// What stands between a group that ends here and a next one, whether that can be another number's,
/// and how many bytes stand between. `None` when no group follows.
fn gap(bytes: &[u8], at: usize) -> Option<(Gap, bool, usize)> {
    let (mut end, mut blanks) = (at, 0);
    let (mut mark, mut bracket) = (None, false);
    loop {
        let byte = *bytes.get(end)?;
        let (blank, dash) = (around::blank(bytes, end), around::dash(bytes, end));
        if byte.is_ascii_digit() {
            break;
        } else if blank > 0 && blanks < 2 {
            blanks += 1;
            end += blank;
        } else if matches!(byte, b'(' | b')') && !bracket {
            bracket = true;
            end += 1;
        } else if dash > 0 && mark.is_none() {
            mark = Some(Gap::Dash);
            end += dash;
        } else if matches!(byte, b'.' | b'/') && mark.is_none() {
            mark = Some(if byte == b'.' { Gap::Dot } else { Gap::Slash });
            end += 1;
        } else {
            return None;
        }
    }
    let gap = match (bracket, mark) {
        (true, _) => Gap::Bracket,
        // A full stop and a blank end a sentence.
        (false, Some(Gap::Dot)) if blanks > 0 => return None,
        (false, Some(mark)) => mark,
        (false, None) => Gap::Blank,
    };
    // Nothing between two groups is no gap: the digits would have been one.
    (end > at).then_some((gap, bracket || blanks > 0, end - at))
}
