//! Numbers as decimal text: no digit is lost, nothing goes through a float.

use std::borrow::Cow;

/// A JSON number from a text: an optional sign, digits with or without a decimal point, an optional
/// exponent. A `+`, zeros before the first digit and a bare point (`.5`, `5.`) are brought to JSON's
/// form; every other digit stays. `None` when it is no number or no 64-bit float can hold it.
pub(super) fn clean(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let number = Decimal::parse_loose(text)?;
    // Only a long one or one with an exponent can be out of range.
    if (text.len() > 300 || number.exponent != 0) && !text.parse::<f64>().is_ok_and(f64::is_finite) {
        return None;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let zeros = number.whole.len() - number.whole_without_zeros().len();
    if !text.starts_with('+') && zeros == 0 && !number.whole.is_empty() && !number.has_bare_point {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len() + 1);
    if number.negative {
        out.push('-');
    }
    if number.whole.is_empty() {
        out.push('0');
    }
    let rest = &unsigned[zeros..];
    if number.has_bare_point {
        let (whole, exponent) = rest.split_once('.')?;
        out.push_str(whole);
        out.push_str(exponent);
    } else {
        out.push_str(rest);
    }
    Some(Cow::Owned(out))
}

/// A decimal number, exact, as the digits of its text.
#[derive(Clone, Copy)]
pub(crate) struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
    has_bare_point: bool,
}

impl<'a> Decimal<'a> {
    /// Reads a number in JSON's form.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let number = Self::parse_loose(text)?;
        let in_form = !text.starts_with('+')
            && !number.whole.is_empty()
            && !number.has_bare_point
            && number.whole.len() == number.whole_without_zeros().len();
        in_form.then_some(number)
    }

    /// Reads a number in JSON's form, or with a `+`, leading zeros or a bare point.
    fn parse_loose(text: &'a str) -> Option<Self> {
        let text = text.as_bytes();
        let (negative, rest) = sign(text);
        let (whole, rest) = digits(rest);
        let (fraction, rest, point) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = digits(rest);
                (fraction, rest, true)
            }
            rest => (&[][..], rest, false),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        Some(Self { negative, whole, fraction, exponent, has_bare_point: point && fraction.is_empty() })
    }

    /// The greatest integer not above the number times 10 to the power of `shift`. What is too
    /// large for 128 bits is the largest of them.
    pub(crate) fn floor(&self, shift: i64) -> i128 {
        let digits = || self.whole.iter().chain(self.fraction);
        // How many digits stand before the point once it is moved.
        let point = (self.whole.len() as i64).saturating_add(self.exponent).saturating_add(shift).max(0);
        let (mut value, mut cut, mut count) = (0i128, false, 0);
        for digit in digits() {
            if count < point {
                value = value.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
            } else {
                cut |= *digit != b'0';
            }
            count += 1;
        }
        while count < point && value != 0 && value != i128::MAX {
            value = value.saturating_mul(10);
            count += 1;
        }
        if self.negative { -value - i128::from(cut) } else { value }
    }

    /// Whether the number has no fraction: none written, or none left by its exponent.
    pub(crate) fn is_written_whole(&self) -> bool {
        self.fraction.len() as i64 <= self.exponent.max(0)
            && (self.exponent >= 0 || self.whole.iter().all(|digit| *digit == b'0'))
    }

    /// The digits before the point without zeros before them; the last digit stays.
    fn whole_without_zeros(&self) -> &'a [u8] {
        let zeros = self.whole.iter().take_while(|digit| **digit == b'0').count();
        &self.whole[zeros.min(self.whole.len().saturating_sub(1))..]
    }
}

/// Whether a minus stands there, and what follows a sign.
fn sign(text: &[u8]) -> (bool, &[u8]) {
    (text.starts_with(b"-"), text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text))
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|b| b.is_ascii_digit()).count())
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, rest) = sign(text);
    let (digits, rest) = digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    // Far beyond any number that is not zero or out of range, and far from overflow.
    let value = digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000_000));
    Some(if negative { -value } else { value })
}
