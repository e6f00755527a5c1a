//! E-mail addresses in one form.
//!
//! RFC 5322's dot-atom with the lengths of RFC 5321, and letters of any script (RFC 6531). Quoted
//! local parts, comments and address literals are refused: no mailbox in use needs them.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::invisible::is_invisible;

/// Longest address, in bytes (RFC 5321, erratum 1690).
const MAX: usize = 254;
/// Longest local part, in bytes.
const MAX_LOCAL: usize = 64;
/// Longest label of a domain, in bytes.
const MAX_LABEL: usize = 63;

/// Returns the address without white space around it, without characters that nobody sees and
/// without a dot at its end, and with its domain in lower case and, if it is not ASCII, in normal
/// form C. Returns `None` if it is not an address.
pub(crate) fn email(text: &str) -> Option<Cow<'_, str>> {
    if !text.is_ascii() && text.contains(is_invisible) {
        let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        return email(&visible).map(|address| Cow::Owned(address.into_owned()));
    }
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    let (local, domain) = text.split_once('@')?;
    if text.len() > MAX || !is_local(local) || !is_domain(domain) {
        return None;
    }
    if domain.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return Some(Cow::Borrowed(text));
    }
    if domain.is_ascii() {
        let mut address = text.to_owned();
        address[local.len()..].make_ascii_lowercase();
        return Some(Cow::Owned(address));
    }
    // Lower case first: it can decompose (the Turkish dotted I), but NFC never changes the case.
    let lower: String = domain.to_lowercase().nfc().collect();
    if lower == domain {
        return Some(Cow::Borrowed(text));
    }
    let address = format!("{local}@{lower}");
    (address.len() <= MAX && is_domain(&lower)).then_some(Cow::Owned(address))
}

fn is_local(local: &str) -> bool {
    !local.is_empty()
        && local.len() <= MAX_LOCAL
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || (c.is_ascii() && "!#$%&'*+-/=?^_`{|}~".contains(c)) || is_letter_of_any_script(c)
}

fn is_letter_of_any_script(c: char) -> bool {
    !c.is_ascii() && (c.is_alphanumeric() || is_combining_mark(c))
}

fn is_domain(domain: &str) -> bool {
    let mut labels = 0;
    let mut last = "";
    for label in domain.split('.') {
        let ends_well = |c: Option<char>| c.is_some_and(|c| c != '-');
        if label.len() > MAX_LABEL
            || !ends_well(label.chars().next())
            || !ends_well(label.chars().next_back())
            || !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || is_letter_of_any_script(c))
        {
            return false;
        }
        labels += 1;
        last = label;
    }
    // `1.2.3.4` is not a domain, and a top-level domain has more than one letter.
    labels >= 2 && last.chars().nth(1).is_some() && !last.bytes().all(|b| b.is_ascii_digit())
}
