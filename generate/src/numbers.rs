//! Numbers that carry a check: account numbers and cards; and numbers by pattern.

use super::text::put_digits;

/// Test card numbers that payment providers publish; each passes the Luhn check and none is a real
/// account.
pub(super) const CARDS: [&str; 12] = [
    "4111 1111 1111 1111",
    "4242 4242 4242 4242",
    "4012 8888 8888 1881",
    "4000 0566 5566 5556",
    "5555 5555 5555 4444",
    "5105 1051 0510 5100",
    "2223 0031 2200 3222",
    "3782 822463 10005",
    "3714 496353 98431",
    "6011 1111 1111 1117",
    "3530 1113 3330 0000",
    "3056 9309 0259 04",
];

/// Whether the blanks of a pattern are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blanks {
    /// Written.
    Keep,
    /// Left out.
    Omit,
}

/// Appends a pattern: `#` becomes a digit and `@` a capital letter, both taken from `bits`.
pub(super) fn put_pattern(out: &mut Vec<u8>, pattern: &str, bits: u64, blanks: Blanks) {
    let mut bits = bits;
    for byte in pattern.bytes() {
        match byte {
            b'#' => {
                out.push(b'0' + (bits % 10) as u8);
                bits /= 10;
            }
            b'@' => {
                out.push(b'A' + (bits % 26) as u8);
                bits /= 26;
            }
            b' ' if blanks == Blanks::Omit => {}
            _ => out.push(byte),
        }
    }
}

/// Appends an IBAN (ISO 13616) with right check digits: `bban` is a pattern of at most 30
/// characters. With blanks it is written in groups of four.
pub(super) fn put_iban(out: &mut Vec<u8>, country: &str, bban: &str, bits: u64, blanks: Blanks) {
    let start = out.len();
    out.extend_from_slice(country.as_bytes());
    out.extend_from_slice(b"00");
    put_pattern(out, bban, bits, Blanks::Omit);
    let check = 98 - remainder(&out[start..]);
    // Two digits over the two zeros.
    out[start + 2] = b'0' + (check / 10) as u8;
    out[start + 3] = b'0' + (check % 10) as u8;
    if blanks == Blanks::Keep {
        let length = out.len() - start;
        // From the end, so that each group moves once and over nothing that is still needed.
        for gap in (1..=(length - 1) / 4).rev() {
            out.insert(start + gap * 4, b' ');
        }
    }
}

/// The remainder by 97 that ISO 7064 defines: the first four characters moved to the end, letters
/// as 10 to 35. It is 1 for a right IBAN.
fn remainder(iban: &[u8]) -> u64 {
    let (front, rest) = iban.split_at(4);
    rest.iter().chain(front).fold(0, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u64::from(byte - b'0')) % 97,
        _ => (sum * 100 + u64::from(byte - b'A') + 10) % 97,
    })
}

/// Appends an order number: eleven digits that look like something and are nothing.
pub(super) fn put_order(out: &mut Vec<u8>, bits: u64) {
    out.extend_from_slice(b"A-");
    put_digits(out, bits, 7);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn luhn(card: &str) -> bool {
        let digits = card.bytes().filter(u8::is_ascii_digit).rev();
        let sum: u32 = digits
            .enumerate()
            .map(|(at, byte)| {
                let digit = u32::from(byte - b'0') << (at % 2);
                digit / 10 + digit % 10
            })
            .sum();
        sum.is_multiple_of(10)
    }

    #[test]
    fn every_test_card_passes_the_luhn_check() {
        for card in CARDS {
            assert!(luhn(card), "{card}");
            let mut wrong = card.to_owned();
            let last = wrong.pop().unwrap();
            wrong.push(if last == '9' { '0' } else { (last as u8 + 1) as char });
            assert!(!luhn(&wrong), "{wrong}");
        }
    }

    #[test]
    fn an_iban_known_from_the_standard_has_remainder_1() {
        assert_eq!(remainder(b"GB29NWBK60161331926819"), 1);
        assert_eq!(remainder(b"DE89370400440532013000"), 1);
        assert_ne!(remainder(b"DE88370400440532013000"), 1);
    }

    #[test]
    fn made_ibans_are_right_and_as_long_as_their_country_wants() {
        for locale in &super::super::locale::LOCALES {
            let (country, bban) = locale.iban;
            let length = match country {
                "DE" | "GB" => 22,
                "SE" => 24,
                "FR" | "GR" => 27,
                "PL" => 28,
                other => panic!("no length known for {other}"),
            };
            for bits in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
                let mut plain = Vec::new();
                put_iban(&mut plain, country, bban, bits, Blanks::Omit);
                assert_eq!((plain.len(), remainder(&plain)), (length, 1));
                let mut grouped = Vec::new();
                put_iban(&mut grouped, country, bban, bits, Blanks::Keep);
                let groups: Vec<&[u8]> = grouped.split(|byte| *byte == b' ').collect();
                assert_eq!(groups.concat(), plain);
                assert!(groups[..groups.len() - 1].iter().all(|group| group.len() == 4));
                assert!((1..=4).contains(&groups[groups.len() - 1].len()));
            }
        }
    }

    #[test]
    fn a_pattern_keeps_all_but_its_marks() {
        let written = |blanks| {
            let mut out = Vec::new();
            put_pattern(&mut out, "ΧΧ Q@#-#", 27 + 26 * 54, blanks);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(Blanks::Keep), "ΧΧ QB5-5");
        assert_eq!(written(Blanks::Omit), "ΧΧQB5-5");
    }
}
