//! Groups of digits and the gaps between them.

use crate::detect::around;

/// Most groups that are read.
const MOST_GROUPS: usize = 8;
/// Most digits: 15 of E.164, the exit code `011`, and the trunk zero in `+49 (0)30`.
const MOST_DIGITS: usize = 19;

/// The gap between two groups.
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
    /// The gap after each group except the last.
    gaps: [Gap; MOST_GROUPS],
    /// Whether another number can begin after each group: the gap has a blank or a bracket.
    parts: [bool; MOST_GROUPS],
    count: usize,
}

impl Groups {
    /// Reads groups from a digit on. Returns `None` if even the first has too many digits.
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
                // More digits follow: a gap without a blank would cut a number in two.
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

    /// Drops the last group, and more until another number can follow. Returns whether any group
    /// remains.
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

    /// Returns how many digits there are.
    pub(super) fn digits(&self) -> usize {
        self.sizes().iter().map(|size| usize::from(*size)).sum()
    }

    /// Returns the digits of all groups.
    pub(super) fn all(&self) -> &[u8] {
        &self.digits[..self.digits()]
    }

    /// Returns how many digits each group has.
    pub(super) fn sizes(&self) -> &[u8] {
        &self.sizes[..self.count]
    }

    /// Returns how many digits a group has; 0 if there is no such group.
    pub(super) fn len(&self, group: usize) -> usize {
        self.sizes().get(group).map_or(0, |size| usize::from(*size))
    }

    /// Returns the gap after a group.
    pub(super) fn gap(&self, group: usize) -> Gap {
        self.gaps[group]
    }

    /// Returns whether there are three groups or more of four digits, as in a card number or an
    /// IBAN; the last may be shorter.
    pub(super) fn are_fours(&self) -> bool {
        matches!(self.sizes(), [fours @ .., last] if fours.len() >= 2 && fours.iter().all(|size| *size == 4) && *last <= 4)
    }

    /// Returns the number of groups, including dropped ones, if all are pairs.
    pub(super) fn pairs(&self) -> Option<usize> {
        let pairs = self.sizes.iter().take_while(|size| **size == 2).count();
        (pairs >= self.count).then_some(pairs)
    }

    /// Returns where the last group ends.
    pub(super) fn end(&self) -> usize {
        self.ends[self.count - 1]
    }

    /// Returns whether it begins with a day: `2.11.2026`, `02 11 2026`, `2026-11-02`, or `02-11-26
    /// 09` with a time after it.
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

    /// Returns whether it is written like an IPv4 address or a version.
    pub(super) fn looks_like_v4(&self) -> bool {
        self.count >= 4
            && self.gaps[..3].iter().all(|gap| *gap == Gap::Dot)
            && self.sizes[..4].iter().all(|size| *size <= 3)
            && (self.digits[0] != b'0' || self.sizes[0] == 1)
    }
}

/// Returns the gap after a group that ends here, whether the next group can belong to another
/// number, and how many bytes the gap has. Returns `None` if no group follows.
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
    // Without a gap the digits would be one group.
    (end > at).then_some((gap, bracket || blanks > 0, end - at))
}
