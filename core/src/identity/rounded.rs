//! Identifiers that lost digits on their way, so that two persons have one.

use crate::{
    json::{Decimal, Spelling},
    scalar::Scalar,
};

/// The largest integer below which a 64-bit float holds every one.
const EXACT: i64 = 1 << 53;

/// Returns whether an identifier was probably rounded, as spreadsheets and floats do: a number with
/// an exponent or a fraction (`42.0` is still 42, up to 2^53), or a text of such a number
/// (`5.12345E+17`). A text like `12e4` can be hexadecimal, and `4.2` a chapter.
pub(crate) fn is_rounded(value: &Scalar<'_>) -> bool {
    let has_exponent = |text: &str| text.contains(['e', 'E']);
    match value {
        Scalar::Number(text) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => false,
        Scalar::Number(text) => {
            let whole = Decimal::parse(text).and_then(|number| number.to_i64());
            has_exponent(text) || whole.is_none_or(|whole| !(-EXACT..=EXACT).contains(&whole))
        }
        Scalar::Text(text) => {
            text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
                && has_exponent(text)
                && text.contains(['.', '+', '-'])
                && Decimal::parse_as(text, Spelling::Padded).is_some()
                && !is_integer_with_bare_exponent(text)
        }
        Scalar::Null | Scalar::Bool(_) => false,
    }
}

/// Returns whether the only sign is that of the whole number: `-12e4`.
fn is_integer_with_bare_exponent(text: &str) -> bool {
    !text[1..].contains(['.', '+', '-'])
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_number_that_went_through_a_float_is_no_identifier() {
        let number = |text| is_rounded(&Scalar::Number(Cow::Borrowed(text)));
        let text = |text| is_rounded(&Scalar::Text(Cow::Borrowed(text)));
        for exact in ["42", "-7", "0", "42.0", "9007199254740992.0", "1627668684594000001", "18446744073709551616"] {
            assert!(!number(exact), "{exact}");
        }
        for rounded in ["5.12345E+17", "1e5", "4.2e1", "12.5", "9007199254740994.0", "1e400", "1e-2000000000"] {
            assert!(number(rounded), "{rounded}");
        }
        for exact in ["u-1", "42", "42.0", "4.2", "12e4", "123e4567", "-12e4", "e+5", "12e", "1.5e3a", "1-e5", ""] {
            assert!(!text(exact), "{exact}");
        }
        for rounded in ["5.12345E+17", "5.12E+17", "5E+17", "1e-7", "1.5e3", "-5.1E17"] {
            assert!(text(rounded), "{rounded}");
        }
    }
}
