//! JSON strings.

use std::borrow::Cow;

use super::NotJson;

/// Returns where a string ends, and whether it holds escapes. `start` is the first byte after the
/// opening quote; the result is the index of the closing quote.
///
/// It reads eight bytes at a time: most strings of an event are too short for a vector search to
/// pay off.
#[inline]
pub fn string_end(bytes: &[u8], start: usize) -> Result<(usize, bool), NotJson> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = start;
    loop {
        // Bytes that are a quote, a backslash or a control character get their high bit set.
        while let Some(chunk) = bytes.get(at..at + 8) {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            let word = u64::from_le_bytes(word);
            let quote = word ^ (LOW * 0x22);
            let slash = word ^ (LOW * 0x5c);
            let found = (quote.wrapping_sub(LOW) & !quote
                | slash.wrapping_sub(LOW) & !slash
                | word.wrapping_sub(LOW * 0x20) & !word)
                & HIGH;
            if found == 0 {
                at += 8;
                continue;
            }
            // The lowest hit is exact; a borrow can only spoil bytes above it.
            at += found.trailing_zeros() as usize / 8;
            break;
        }
        match bytes.get(at) {
            Some(b'"') => return Ok((at, false)),
            Some(b'\\') => return escaped_end(bytes, at),
            Some(0..=0x1f) | None => return Err(NotJson),
            Some(_) => at += 1,
        }
    }
}

/// Reads the rest of a string that holds escapes, and checks each of them, surrogates included.
#[cold]
fn escaped_end(bytes: &[u8], start: usize) -> Result<(usize, bool), NotJson> {
    let mut at = start;
    loop {
        match bytes.get(at).ok_or(NotJson)? {
            b'"' => return Ok((at, true)),
            b'\\' => match bytes.get(at + 1).ok_or(NotJson)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' => {
                    let unit = hex4(bytes, at + 2)?;
                    at += 6;
                    match unit {
                        0xd800..=0xdbff => {
                            let low = bytes.get(at..at + 2) == Some(b"\\u");
                            if !low || !(0xdc00..=0xdfff).contains(&hex4(bytes, at + 2)?) {
                                return Err(NotJson);
                            }
                            at += 6;
                        }
                        0xdc00..=0xdfff => return Err(NotJson),
                        _ => {}
                    }
                }
                _ => return Err(NotJson),
            },
            0..=0x1f => return Err(NotJson),
            _ => at += 1,
        }
    }
}

fn hex4(bytes: &[u8], at: usize) -> Result<u32, NotJson> {
    let digits = bytes.get(at..at + 4).ok_or(NotJson)?;
    digits.iter().try_fold(0, |unit, digit| {
        let value = char::from(*digit).to_digit(16).ok_or(NotJson)?;
        Ok(unit << 4 | value)
    })
}

/// Returns the text between the quotes of a checked string, with its escapes undone.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    unescape_into(raw, &mut out);
    Cow::Owned(out)
}

/// Appends the text between the quotes of a checked string, with its escapes undone.
pub fn unescape_into(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let bytes = rest.as_bytes();
        let (made, length) = match bytes[at + 1] {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode(bytes, at),
            other => (char::from(other), 2),
        };
        out.push(made);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
}

fn unicode(bytes: &[u8], at: usize) -> (char, usize) {
    let unit = hex4(bytes, at + 2).unwrap_or(0xfffd);
    if (0xd800..=0xdbff).contains(&unit) {
        let low = hex4(bytes, at + 8).unwrap_or(0xdc00);
        let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), 12);
    }
    (char::from_u32(unit).unwrap_or('\u{fffd}'), 6)
}

/// Appends text as a JSON string, quotes included.
#[inline]
pub fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_into(text, out);
    out.push(b'"');
}

/// Appends text with the escapes that JSON requires, and no others.
pub fn escape_into(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[done..at]);
        done = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(b'0' + (byte >> 4));
                out.push(b"0123456789abcdef"[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[done..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_escaped_text_unescapes_to_itself(text in any::<String>()) {
            let mut out = Vec::new();
            push_string(&text, &mut out);
            let (end, _) = string_end(&out, 1).expect("a string");
            prop_assert_eq!(end, out.len() - 1);
            let raw = std::str::from_utf8(&out[1..end]).expect("UTF-8");
            let back = unescape(raw);
            prop_assert_eq!(back.as_ref(), text.as_str());
            prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("JSON"), text);
        }

        #[test]
        fn a_string_ends_where_serde_says(text in r#"[a-z\\"/u0-9dcDfé\n ]{0,24}"#) {
            let quoted = format!("\"{text}\"");
            let ours = string_end(quoted.as_bytes(), 1).is_ok_and(|(end, _)| end == quoted.len() - 1);
            prop_assert_eq!(ours, serde_json::from_str::<String>(&quoted).is_ok());
        }
    }
}
