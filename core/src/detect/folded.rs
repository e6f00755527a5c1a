//! A copy of a text in which ASCII stands for what looks like it: full-width letters, digits of
//! other scripts, dashes and blanks of other widths. Characters that nobody sees are left out. What
//! is found in the copy is replaced in the original.

use std::ops::Range;

use unicode_normalization::char::decompose_compatible;

use crate::invisible::is_invisible;

/// A text as the scanners read it a second time.
pub(super) struct Folded {
    pub(super) text: String,
    /// In the order of both texts. Between two pieces the texts are the same.
    pieces: Vec<Piece>,
}

/// Where the copy continues: at a replaced character, or with the same text as the original.
struct Piece {
    folded: u32,
    original: u32,
    /// The length in the original of the character that was replaced; 0 if the same text follows.
    replaced: u32,
}

/// The stand-in for a character.
enum Fold {
    Same,
    Nothing,
    Ascii(char),
    /// Several ASCII characters.
    Expanded,
}

impl Folded {
    /// Returns the copy; `None` if it would be the same as the text.
    pub(super) fn of(text: &str) -> Option<Self> {
        if text.is_ascii() {
            return None;
        }
        let first = text.char_indices().find(|(_, c)| !c.is_ascii() && !matches!(fold(*c), Fold::Same))?.0;
        // Positions are kept in 32 bits; events are far smaller.
        u32::try_from(text.len()).ok()?;
        let mut folded = Self { text: String::with_capacity(text.len()), pieces: Vec::new() };
        folded.text.push_str(&text[..first]);
        folded.pieces.push(Piece { folded: 0, original: 0, replaced: 0 });
        let mut after_change = false;
        for (at, c) in text[first..].char_indices() {
            let changed = if c.is_ascii() { Fold::Same } else { fold(c) };
            let same = matches!(changed, Fold::Same);
            if !same || after_change {
                folded.pieces.push(Piece {
                    folded: folded.text.len() as u32,
                    original: (first + at) as u32,
                    replaced: if same { 0 } else { c.len_utf8() as u32 },
                });
            }
            match changed {
                Fold::Same => folded.text.push(c),
                Fold::Nothing => {}
                Fold::Ascii(ascii) => folded.text.push(ascii),
                Fold::Expanded => decompose_compatible(c, |ascii| folded.text.push(ascii)),
            }
            after_change = !same;
        }
        Some(folded)
    }

    /// Returns the range of the original that a range of the copy, which is not empty, stands for.
    pub(super) fn original(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.piece_at(range.start);
        let last = self.piece_at(range.end - 1);
        let start = match first.replaced {
            0 => first.original as usize + range.start - first.folded as usize,
            _ => first.original as usize,
        };
        let end = match last.replaced {
            0 => last.original as usize + range.end - last.folded as usize,
            length => (last.original + length) as usize,
        };
        start..end
    }

    /// Returns the piece that a byte of the copy belongs to. Of pieces that begin at one position,
    /// only the last is not empty.
    fn piece_at(&self, at: usize) -> &Piece {
        let after = self.pieces.partition_point(|piece| piece.folded as usize <= at);
        &self.pieces[after - 1]
    }
}

/// Returns what stands for a character that is not ASCII.
fn fold(c: char) -> Fold {
    match c {
        // Most texts that are not ASCII consist of these: letters that stand for themselves.
        '\u{c0}'..='\u{24f}'
        | '\u{370}'..='\u{5ff}'
        | '\u{3041}'..='\u{30ff}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' => Fold::Same,
        // Dashes and the minus sign; NFKC keeps them.
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Fold::Ascii('-'),
        _ if is_invisible(c) => Fold::Nothing,
        _ => match digit(c) {
            Some(digit) => Fold::Ascii(digit),
            None => compatible(c),
        },
    }
}

/// Returns the ASCII that NFKC makes of a character.
fn compatible(c: char) -> Fold {
    let (mut first, mut count, mut ascii) = (c, 0, true);
    decompose_compatible(c, |part| {
        if count == 0 {
            first = part;
        }
        count += 1;
        ascii &= part.is_ascii();
    });
    match (ascii, count) {
        (false, _) | (true, 0) => Fold::Same,
        (true, 1) => Fold::Ascii(first),
        (true, _) => Fold::Expanded,
    }
}

/// The zeros of the scripts that have ten digits in a row (Unicode 16, `Nd`). Those that NFKC
/// makes ASCII are left out.
const ZEROS: &[char] = &[
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{11f50}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e4f0}',
    '\u{1e950}',
];

/// Returns the ASCII digit of a digit of another script.
fn digit(c: char) -> Option<char> {
    let before = ZEROS.partition_point(|zero| *zero <= c).checked_sub(1)?;
    char::from_digit(c as u32 - ZEROS[before] as u32, 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        Folded::of(text).map_or_else(|| text.to_owned(), |folded| folded.text)
    }

    #[test]
    fn what_looks_like_ascii_is_ascii_and_what_nobody_sees_is_gone() {
        for (text, expected) in [
            ("４１１１　１１１１", "4111 1111"),
            ("ａｄａ＠example．com", "ada@example.com"),
            ("٤٤٢٠ ۴۴۲۰ ४४२०", "4420 4420 4420"),
            ("exam\u{ad}ple\u{200b}.com\u{feff}", "example.com"),
            ("1–2—3−4", "1-2-3-4"),
            ("ﬁ\u{a0}x", "fi x"),
            ("größe 漢字 é 🙂", "größe 漢字 é 🙂"),
        ] {
            assert_eq!(folded(text), expected, "{text}");
        }
    }

    #[test]
    fn the_zeros_are_sorted_and_only_their_ten_digits_are_digits() {
        assert!(ZEROS.is_sorted_by(|a, b| a < b));
        assert_eq!((digit('٠'), digit('٩'), digit('\u{66a}'), digit('é')), (Some('0'), Some('9'), None, None));
    }

    proptest! {
        #[test]
        fn every_character_of_the_copy_stands_for_its_own_in_the_original(
            text in "[a-c@1２＠ﬁ\u{200b}\u{ad}é漢٣ ]{0,24}",
        ) {
            let Some(copy) = Folded::of(&text) else { return Ok(()) };
            for (at, c) in copy.text.char_indices() {
                let range = copy.original(&(at..at + c.len_utf8()));
                let own = text.get(range.clone());
                prop_assert!(own.is_some(), "{range:?}");
                prop_assert!(folded(own.unwrap()).contains(c), "{c} in {own:?}");
            }
        }
    }
}
