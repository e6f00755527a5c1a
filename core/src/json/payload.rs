//! What producers write in front of JSON.

/// Returns the JSON of a record's value or key: without the frame of a schema registry's serializer
/// (a zero byte and the four bytes of a schema's id) and without a byte order mark. A zero byte in
/// front of anything but an object or a string is no frame of JSON, and is left.
pub fn payload(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b'{', ..] => bytes,
        [0, _, _, _, _, rest @ ..] if matches!(without_bom(rest), [b'{' | b'"', ..]) => without_bom(rest),
        _ => without_bom(bytes),
    }
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn a_frame_and_a_byte_order_mark_are_no_part_of_json() {
        for (bytes, rest) in [
            (&b"{}"[..], &b"{}"[..]),
            (b" {}", b" {}"),
            (b"\xef\xbb\xbf{}", b"{}"),
            (b"\0\0\0\0\x2a{}", b"{}"),
            (b"\0{{{{{}", b"{}"),
            (b"\0\0\0\0\x2a\xef\xbb\xbf{}", b"{}"),
            (b"\0\0\0\0\x2a\"u-1\"", b"\"u-1\""),
            // Avro, which this is not.
            (b"\0\0\0\0\x2a\x06u-1", b"\0\0\0\0\x2a\x06u-1"),
            (b"\0\0\0{}", b"\0\0\0{}"),
            (b"\x01\0\0\0\x2a{}", b"\x01\0\0\0\x2a{}"),
            (b"\xef\xbb", b"\xef\xbb"),
            (b"", b""),
        ] {
            assert_eq!(payload(bytes), rest, "{bytes:?}");
        }
    }
}
