//! The cleaning step `Number`: a text becomes a JSON number, digit by digit.

use std::borrow::Cow;

use crate::json::{Decimal, Spelling};

/// Returns the JSON number that a text is: an optional sign, digits with or without a decimal
/// point, an optional exponent. A `+`, zeros before the first digit and a bare point (`.5`, `5.`)
/// are brought to JSON's spelling; every other digit stays. Returns `None` if the text is not a
/// number, or one that no 64-bit float holds.
pub(super) fn clean(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let number = Decimal::parse_as(text, Spelling::Loose)?;
    // Only a long number or one with an exponent can be out of range.
    if (text.len() > 300 || number.exponent() != 0) && !text.parse::<f64>().is_ok_and(f64::is_finite) {
        return None;
    }
    if number.spelling() == Spelling::Json {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len() + 1);
    if number.is_negative() {
        out.push('-');
    }
    match number.whole().trim_start_matches('0') {
        "" => out.push('0'),
        whole => out.push_str(whole),
    }
    if !number.fraction().is_empty() {
        out.push('.');
        out.push_str(number.fraction());
    }
    out.push_str(text.find(['e', 'E']).map_or("", |at| &text[at..]));
    Some(Cow::Owned(out))
}
