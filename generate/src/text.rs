//! Writes JSON text straight into bytes: no formatter, no floating point, nothing that a locale or
//! a platform could change.

/// Appends a text as it is. The caller has escaped it.
pub(super) fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a number in decimal.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the last `width` (at most 20) digits of a number, with zeros in front.
pub(super) fn put_digits(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    for digit in digits[20 - width..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[20 - width..]);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the last `width` (at most 16) hexadecimal digits of a number, in lower case.
pub(super) fn put_hex(out: &mut Vec<u8>, number: u64, width: u32) {
    let mut digits = [b'0'; 16];
    let width = width as usize;
    let mut rest = number;
    for digit in digits[16 - width..].iter_mut().rev() {
        *digit = HEX[(rest & 15) as usize];
        rest >>= 4;
    }
    out.extend_from_slice(&digits[16 - width..]);
}

/// Appends a number below 65,536 in hexadecimal without zeros in front, as in an IPv6 address.
pub(super) fn put_hex_group(out: &mut Vec<u8>, number: u64) {
    let number = number & 0xffff;
    put_hex(out, number, (number.max(1).ilog2() / 4) + 1);
}

/// Appends a UUID of version 4 (RFC 9562) made of these bits.
pub(super) fn put_uuid(out: &mut Vec<u8>, high: u64, low: u64) {
    put_hex(out, high >> 32, 8);
    out.push(b'-');
    put_hex(out, high >> 16, 4);
    put(out, "-4");
    put_hex(out, high, 3);
    out.push(b'-');
    put_hex(out, (low >> 48) & 0x3fff | 0x8000, 4);
    out.push(b'-');
    put_hex(out, low, 12);
}

/// Appends hundredths as a JSON number: 123456 becomes `1234.56`.
pub(super) fn put_hundredths(out: &mut Vec<u8>, hundredths: u64) {
    put_number(out, hundredths / 100);
    out.push(b'.');
    put_digits(out, hundredths % 100, 2);
}

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day {
    /// 1 to 9999.
    pub(super) year: u64,
    /// 1 to 12.
    pub(super) month: u64,
    /// 1 to 31.
    pub(super) of_month: u64,
}

impl Day {
    /// The day of an instant in milliseconds since 1970, not negative (Hinnant, `civil_from_days`).
    pub(super) fn of(millis: u64) -> Self {
        let days = millis / 86_400_000 + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            of_month: of_year - (153 * shifted + 2) / 5 + 1,
        }
    }

    /// Whole years from this day to a later one.
    pub(super) fn years_until(self, later: Day) -> u64 {
        let years = later.year.saturating_sub(self.year);
        if (later.month, later.of_month) < (self.month, self.of_month) { years.saturating_sub(1) } else { years }
    }

    /// Appends it as `1984-07-02`.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        put_digits(out, self.year, 4);
        out.push(b'-');
        put_digits(out, self.month, 2);
        out.push(b'-');
        put_digits(out, self.of_month, 2);
    }
}

/// Appends an instant in milliseconds since 1970, not negative, as RFC 3339 in UTC:
/// `2026-01-01T00:00:00.000Z`.
pub(super) fn put_time(out: &mut Vec<u8>, millis: u64) {
    Day::of(millis).put(out);
    let of_day = millis % 86_400_000;
    out.push(b'T');
    put_digits(out, of_day / 3_600_000, 2);
    out.push(b':');
    put_digits(out, of_day / 60_000 % 60, 2);
    out.push(b':');
    put_digits(out, of_day / 1_000 % 60, 2);
    out.push(b'.');
    put_digits(out, of_day % 1_000, 3);
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(written(|out| put_number(out, 0)), "0");
        assert_eq!(written(|out| put_number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|out| put_digits(out, 42, 5)), "00042");
        assert_eq!(written(|out| put_digits(out, 123_456, 3)), "456");
        assert_eq!(written(|out| put_hundredths(out, 123_405)), "1234.05");
        assert_eq!(written(|out| put_hundredths(out, 7)), "0.07");
    }

    #[test]
    fn an_ipv6_group_has_no_zeros_in_front() {
        for (number, text) in [(0, "0"), (1, "1"), (15, "f"), (16, "10"), (0xdb8, "db8"), (0xffff, "ffff")] {
            assert_eq!(written(|out| put_hex_group(out, number)), text);
        }
    }

    #[test]
    fn a_uuid_says_that_it_is_of_version_4() {
        assert_eq!(written(|out| put_uuid(out, u64::MAX, u64::MAX)), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(written(|out| put_uuid(out, 0, 0)), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn an_age_counts_whole_years() {
        let born = Day { year: 1984, month: 7, of_month: 2 };
        assert_eq!(born.years_until(Day { year: 2026, month: 7, of_month: 1 }), 41);
        assert_eq!(born.years_until(Day { year: 2026, month: 7, of_month: 2 }), 42);
        assert_eq!(born.years_until(Day { year: 1980, month: 1, of_month: 1 }), 0);
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_jiff_writes_it(millis in 0_i64..221_845_392_000_000) {
            let expected = jiff::Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(written(|out| put_time(out, millis as u64)), format!("{expected:.3}"));
        }
    }
}
