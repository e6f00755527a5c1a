//! Refuses files in another encoding, or with other line ends, than a source reads. Each of their
//! lines would be rejected otherwise.

use crate::{ErrorKind, StoreError, file::fault::error};

/// How many first bytes of a file [`check`] needs.
pub(crate) const MAGIC: usize = 4;

/// Fails if a file begins as text in UTF-16 or UTF-32 does.
pub(crate) fn check(name: &str, first: &[u8]) -> Result<(), StoreError> {
    let encoding = match first {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        // Without a mark: letters of ASCII, with a zero byte on one side.
        [1..=0x7f, 0, 1..=0x7f, 0, ..] => "UTF-16LE",
        [0, 1..=0x7f, 0, 1..=0x7f, ..] => "UTF-16BE",
        _ => return Ok(()),
    };
    Err(error(
        ErrorKind::Input,
        format!("{name} is in {encoding}, and not in UTF-8; convert it: iconv -f {encoding} -t UTF-8"),
    ))
}

/// Fails if the first bytes of an NDJSON file hold several objects, and only carriage returns
/// between them.
pub(crate) fn check_line_ends(name: &str, first: &[u8]) -> Result<(), StoreError> {
    if memchr::memchr(b'\n', first).is_none() && memchr::memmem::find(first, b"}\r{").is_some() {
        return Err(lone_returns(name));
    }
    Ok(())
}

/// Returns the error for a file whose lines end with carriage returns alone.
pub(crate) fn lone_returns(name: &str) -> StoreError {
    let message = format!("the lines of {name} end with carriage returns alone; convert them: tr '\\r' '\\n'");
    error(ErrorKind::Input, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn text_of_two_or_four_bytes_a_letter_is_refused_with_or_without_a_mark() {
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        for (text, encoding) in [
            (utf16("\u{feff}{\"a\":1}", u16::to_le_bytes), "UTF-16"),
            (utf16("\u{feff}{\"a\":1}", u16::to_be_bytes), "UTF-16"),
            (utf16("{\"a\":1}", u16::to_le_bytes), "UTF-16LE"),
            (utf16("id,name", u16::to_be_bytes), "UTF-16BE"),
            (vec![0xff, 0xfe, 0, 0, b'{', 0, 0, 0], "UTF-32"),
        ] {
            let error = check("in.ndjson", &text[..MAGIC]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Input);
            assert!(error.message.contains(&format!("iconv -f {encoding} -t UTF-8")), "{error}");
        }
        for text in ["", "{", "{}\n", "\u{feff}{\"a\"", "é,à", "\u{0}\u{0}\u{0}\u{0}"] {
            check("in.ndjson", text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn objects_between_carriage_returns_are_refused() {
        assert!(
            check_line_ends("in.ndjson", b"{\"a\":1}\r{\"a\":2}\r").unwrap_err().message.contains("tr '\\r' '\\n'")
        );
        for text in ["{\"a\":1}\r\n{\"a\":2}", "{\r\"a\":1}\r", "{}"] {
            check_line_ends("in.ndjson", text.as_bytes()).unwrap();
        }
    }
}
