//! Hexadecimal digits, lower case: how tokens, references and check values are written.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Returns 64 hexadecimal digits, lower case.
pub fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&digits(*byte));
    }
    out
}

/// Appends two lower-case digits for each byte.
pub fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.extend_from_slice(&digits(*byte));
    }
}

/// Appends 64 hexadecimal digits as a JSON string.
pub(crate) fn push_quoted_hex(bytes: &[u8; 32], out: &mut Vec<u8>) {
    out.push(b'"');
    push_hex(bytes, out);
    out.push(b'"');
}

/// Returns the bytes that exactly `2 * N` digits stand for. Upper case is refused: a value has one
/// written form, so that texts can be compared.
pub fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(out)
}

fn digits(byte: u8) -> [u8; 2] {
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_back_as_they_were(bytes: [u8; 32]) {
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
            let mut pushed = Vec::new();
            push_hex(&bytes, &mut pushed);
            prop_assert_eq!(&pushed[..], &hex(&bytes)[..]);
        }
    }

    #[test]
    fn other_lengths_upper_case_and_other_letters_are_refused() {
        assert_eq!(unhex::<2>(b"0a1f"), Some([0x0a, 0x1f]));
        for text in ["", "0a1", "0a1f0", "0A1f", "0g1f", " a1f", "+a1f"] {
            assert_eq!(unhex::<2>(text.as_bytes()), None, "{text}");
        }
    }
}
