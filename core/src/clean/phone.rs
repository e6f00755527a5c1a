//! Phone numbers in E.164, by the numbering plans that the `phonenumber` crate carries.

use std::borrow::Cow;

use phonenumber::{country, metadata::DATABASE};

/// Longest text that is read: nobody writes a number longer.
const MAX: usize = 64;

/// Where a number without a country code is from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PhoneRegion(Option<country::Id>);

impl PhoneRegion {
    /// By ISO 3166-1, upper case. One that no numbering plan knows is as none.
    pub(crate) fn new(region: Option<&str>) -> Self {
        let known = |region: &str| DATABASE.by_id(region).and_then(|_| region.parse().ok());
        Self(region.and_then(known))
    }
}

/// The number as `+` and digits. `None` when it is no valid number, has an extension (E.164 can't
/// hold one), or has no country code and no region is given.
pub(crate) fn phone(text: &str, region: PhoneRegion) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let dialled = dialled(text.strip_prefix("tel:").unwrap_or(text), region)?;
    // With a country code, the crate would still strip the region's own trunk prefix: an Italian
    // number would lose its 0 in Germany. So it hears of the region only where there is no code.
    let region = if dialled.starts_with('+') { None } else { Some(region.0?) };
    let written = e164(&dialled, region)?;
    // The crate strips trunk prefixes that some plans don't have twice: what it would not read again
    // as the same number is no number.
    if written != dialled && e164(&written, None)? != written {
        return None;
    }
    Some(if written == text { Cow::Borrowed(text) } else { Cow::Owned(written) })
}

/// The number in E.164, when its country's plan has it.
fn e164(dialled: &str, region: Option<country::Id>) -> Option<String> {
    let number = phonenumber::parse(region, dialled).ok()?;
    let valid = number.is_valid() && number.extension().is_none();
    valid.then(|| format!("+{}{}", number.code().value(), number.national()))
}

/// The digits of a number, with `+` before a country code. Anything but digits and the marks that
/// people put between them is no number.
fn dialled(text: &str, region: PhoneRegion) -> Option<String> {
    if text.len() > MAX {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' => out.push(character),
            '+' | '\u{ff0b}' if out.is_empty() => out.push('+'),
            // Full-width digits of East Asian keyboards.
            '\u{ff10}'..='\u{ff19}' => out.push(char::from(b'0' + (character as u32 - 0xff10) as u8)),
            // Marks between groups, and those of writing direction, which phones copy along.
            ' '
            | '-'
            | '.'
            | '/'
            | '('
            | ')'
            | '\t'
            | '\u{a0}'
            | '\u{2009}'
            | '\u{202f}'
            | '\u{3000}'
            | '\u{2010}'..='\u{2015}'
            | '\u{2212}'
            | '\u{ff0d}'
            | '\u{ff08}'
            | '\u{ff09}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {}
            _ => return None,
        }
    }
    let exit = match region.0.and_then(|id| DATABASE.by_id(id.as_ref())) {
        Some(plan) if !out.starts_with('+') => plan
            .international_prefix()
            .and_then(|exit| exit.find(&out))
            .filter(|m| m.start() == 0)
            .map_or(0, |m| m.end()),
        None if out.starts_with("00") => 2,
        _ => 0,
    };
    if exit > 0 && !out[exit..].starts_with('0') {
        out.replace_range(..exit, "+");
    }
    Some(out)
}
