//! JSON numbers: their grammar, and comparisons that lose no digit.

use std::cmp::Ordering;

use super::NotJson;

/// Returns where a number ends, and whether it is written as an integer.
#[inline]
pub fn number_end(bytes: &[u8], start: usize) -> Result<(usize, bool), NotJson> {
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
    let first = at;
    at = digits(at);
    if at == first || (bytes[first] == b'0' && at > first + 1) {
        return Err(NotJson);
    }
    let mut integer = true;
    if bytes.get(at) == Some(&b'.') {
        integer = false;
        let end = digits(at + 1);
        if end == at + 1 {
            return Err(NotJson);
        }
        at = end;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        integer = false;
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let end = digits(at + 1 + sign);
        if end == at + 1 + sign {
            return Err(NotJson);
        }
        at = end;
    }
    Ok((at, integer))
}

/// Returns whether a text is a JSON number.
pub fn is_number(text: &str) -> bool {
    number_end(text.as_bytes(), 0).is_ok_and(|(end, _)| end == text.len())
}

/// A number as JSON Schema sees it.
#[derive(Clone, Copy, Debug)]
pub enum Numeric {
    /// An integer of 64 bits, with or without sign.
    Integer(i128),
    /// Any other.
    Float(f64),
}

impl Numeric {
    /// Reads a checked number; `None` if no 64-bit float holds it.
    pub fn parse(text: &str, integer: bool) -> Option<Self> {
        if integer {
            if let Ok(value) = text.parse::<i64>() {
                return Some(Self::Integer(value.into()));
            }
            if let Ok(value) = text.parse::<u64>() {
                return Some(Self::Integer(value.into()));
            }
        }
        text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Self::Float)
    }

    /// Returns whether it has no fraction: `1.0` has none.
    pub fn is_integer(self) -> bool {
        match self {
            Self::Integer(_) => true,
            Self::Float(value) => value.fract() == 0.0,
        }
    }
}

/// Compares by value, exactly: no integer is rounded to a float.
pub fn compare(left: Numeric, right: Numeric) -> Ordering {
    match (left, right) {
        (Numeric::Integer(a), Numeric::Integer(b)) => a.cmp(&b),
        // Never NaN; and -0.0 equals 0.0.
        (Numeric::Float(a), Numeric::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (Numeric::Integer(a), Numeric::Float(b)) => integer_to_float(a, b),
        (Numeric::Float(a), Numeric::Integer(b)) => integer_to_float(b, a).reverse(),
    }
}

fn integer_to_float(a: i128, b: f64) -> Ordering {
    // Integers are within ±2^65; below that, the truncated float is exact as i128.
    const FAR: f64 = 36_893_488_147_419_103_232.0;
    if b >= FAR {
        return Ordering::Less;
    }
    if b <= -FAR {
        return Ordering::Greater;
    }
    let whole = b.trunc() as i128;
    a.cmp(&whole).then_with(|| {
        if b.fract() > 0.0 {
            Ordering::Less
        } else if b.fract() < 0.0 {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_a_number_if_serde_reads_it_as_one(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            prop_assert_eq!(is_number(&text), serde_json::from_str::<f64>(&text).is_ok());
        }
    }

    #[test]
    fn integers_and_floats_compare_by_value() {
        let parse =
            |text: &str| Numeric::parse(text, text.bytes().all(|b| b.is_ascii_digit() || b == b'-')).expect("a number");
        for (a, b, order) in [
            ("1", "1.0", Ordering::Equal),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("-1", "-1.5", Ordering::Greater),
            ("1", "1.5", Ordering::Less),
            ("18446744073709551615", "1e300", Ordering::Less),
            ("-0.0", "0", Ordering::Equal),
            ("-0.0", "0.0", Ordering::Equal),
        ] {
            assert_eq!(compare(parse(a), parse(b)), order, "{a} and {b}");
        }
        assert!(Numeric::parse("1e400", false).is_none());
    }
}
