//! Encodes values of a document as cells of columns.

use std::{borrow::Cow, net::IpAddr};

use lethe_core::{
    json::unescape,
    scalar::Scalar,
    time::{Moment, parse_moment},
};
use lethe_crds::profile_pipeline::CqlType;

use crate::cassandra::encode::number::{decimal, float, integer};

/// An encoded value of a column. It may be personal, so this type has no `Debug`.
#[derive(PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// No value.
    Null,
    /// Bytes of the batch.
    Borrowed(&'a [u8]),
    /// Allocated bytes.
    Owned(Vec<u8>),
    /// Up to 16 bytes without an allocation, and their number.
    Short([u8; 16], u8),
}

impl<'a> Cell<'a> {
    fn short<const N: usize>(bytes: [u8; N]) -> Self {
        const { assert!(N <= 16) };
        let mut buffer = [0; 16];
        buffer[..N].copy_from_slice(&bytes);
        Cell::Short(buffer, N as u8)
    }

    /// Encodes a `bigint` or a `timestamp`.
    pub(crate) fn long(value: i64) -> Self {
        Self::short(value.to_be_bytes())
    }

    fn text(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Cell::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cell::Owned(text.into_bytes()),
        }
    }

    /// Returns the encoded bytes, or `None` if there is no value.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Cell::Null => None,
            Cell::Borrowed(bytes) => Some(bytes),
            Cell::Owned(bytes) => Some(bytes),
            Cell::Short(bytes, length) => bytes.get(..usize::from(*length)),
        }
    }
}

/// Encodes a JSON value for a column type. Returns `None` if the type can't hold it. `null` becomes
/// `Null` for every type. A text column stores a value that is not a string as its JSON text.
pub(crate) fn convert(raw: &str, to: CqlType) -> Option<Cell<'_>> {
    if raw == "null" {
        return Some(Cell::Null);
    }
    match to {
        CqlType::Text => Some(string(raw).map_or(Cell::Borrowed(raw.as_bytes()), Cell::text)),
        CqlType::Bigint => integer(raw).map(Cell::long),
        CqlType::Int => integer(raw).and_then(|value| i32::try_from(value).ok()).map(|v| Cell::short(v.to_be_bytes())),
        CqlType::Double => float(raw).map(|value| Cell::short(value.to_be_bytes())),
        CqlType::Decimal => decimal(raw).map(Cell::Owned),
        CqlType::Boolean => match raw {
            "true" => Some(Cell::short([1])),
            "false" => Some(Cell::short([0])),
            _ => None,
        },
        CqlType::Timestamp => moment(raw).map(|moment| Cell::long(moment.instant.millis)),
        CqlType::Date => moment(raw).and_then(|moment| date(moment.written_day())),
        CqlType::Inet => string(raw)?.parse::<IpAddr>().ok().map(|address| match address {
            IpAddr::V4(address) => Cell::short(address.octets()),
            IpAddr::V6(address) => Cell::short(address.octets()),
        }),
        CqlType::Uuid => uuid(&string(raw)?).map(Cell::short),
    }
}

/// Returns the text of a JSON string, without quotes and escapes, or `None` for any other value.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    raw.strip_prefix('"')?.strip_suffix('"').map(unescape)
}

/// Reads a text of a time, or a date, which means its midnight in UTC. A number is refused: only a
/// cleaning step knows what it counts.
fn moment(raw: &str) -> Option<Moment> {
    parse_moment(&Scalar::Text(string(raw)?), None)
}

/// Encodes a day. CQL counts days with 1970-01-01 as 2^31.
fn date(day: i64) -> Option<Cell<'static>> {
    u32::try_from(day + (1 << 31)).ok().map(|days| Cell::short(days.to_be_bytes()))
}

/// Parses a UUID: `8-4-4-4-12` hexadecimal digits.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut out = [0; 16];
    let mut digits = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let value = char::from(*byte).to_digit(16)? as u8;
        out[digits / 2] |= if digits % 2 == 0 { value << 4 } else { value };
        digits += 1;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use CqlType::{Bigint, Boolean, Date, Decimal, Double, Inet, Int, Text, Timestamp, Uuid};
    use proptest::prelude::*;

    use super::*;

    fn bytes(raw: &str, to: CqlType) -> Option<Option<Vec<u8>>> {
        convert(raw, to).map(|cell| cell.bytes().map(<[u8]>::to_vec))
    }

    fn long(raw: &str, to: CqlType) -> Option<i64> {
        Some(i64::from_be_bytes(*bytes(raw, to)??.first_chunk().unwrap()))
    }

    #[test]
    fn null_becomes_no_value_for_every_type() {
        for to in [Text, Bigint, Int, Double, Decimal, Boolean, Timestamp, Date, Inet, Uuid] {
            assert_eq!(bytes("null", to), Some(None), "{to:?}");
        }
    }

    #[test]
    fn a_text_column_stores_a_string_as_it_is_and_other_values_as_json() {
        for (raw, held) in [
            (r#""plain""#, "plain"),
            (r#""a\"b\u00e9""#, "a\"b\u{e9}"),
            (r#""""#, ""),
            (r#""null""#, "null"),
            ("1.50", "1.50"),
            ("true", "true"),
            (r#"{"a":[1,"x"]}"#, r#"{"a":[1,"x"]}"#),
            ("[]", "[]"),
        ] {
            assert_eq!(bytes(raw, Text), Some(Some(held.as_bytes().to_vec())), "{raw}");
        }
    }

    #[test]
    fn a_plain_string_is_not_copied() {
        assert!(matches!(convert(r#""plain""#, Text), Some(Cell::Borrowed(_))));
    }

    #[test]
    fn a_number_is_accepted_only_if_the_type_can_hold_it() {
        assert_eq!(long("9223372036854775807", Bigint), Some(i64::MAX));
        assert_eq!(bytes("2147483647", Int), Some(Some(vec![0x7f, 0xff, 0xff, 0xff])));
        assert_eq!(bytes("-1.5", Double), Some(Some((-1.5_f64).to_be_bytes().to_vec())));
        assert_eq!(bytes("1.50", Decimal), Some(Some(vec![0, 0, 0, 2, 0, 150])));
        for (raw, to) in [
            ("2147483648", Int),
            ("1.5", Int),
            ("9223372036854775808", Bigint),
            ("1e999", Double),
            ("\"1\"", Bigint),
            ("\"1\"", Double),
            ("\"1\"", Decimal),
            ("[1]", Bigint),
            ("{}", Decimal),
            ("true", Int),
            ("1", Boolean),
            ("\"true\"", Boolean),
        ] {
            assert!(convert(raw, to).is_none(), "{raw} as {to:?}");
        }
    }

    #[test]
    fn a_time_becomes_an_instant_and_a_date_its_midnight() {
        assert_eq!(long(r#""2026-11-21T09:28:01.120Z""#, Timestamp), Some(1_795_253_281_120));
        assert_eq!(long(r#""2026-11-21T10:28:01.12+01:00""#, Timestamp), Some(1_795_253_281_120));
        assert_eq!(long(r#""1970-01-02""#, Timestamp), Some(86_400_000));
        assert_eq!(long(r#""1969-12-31""#, Timestamp), Some(-86_400_000));
        let day = |raw: &str| bytes(raw, Date).flatten().map(|b| u32::from_be_bytes(b.try_into().unwrap()));
        assert_eq!(day(r#""1970-01-01""#), Some(1 << 31));
        assert_eq!(day(r#""1969-12-31T23:59:59.999Z""#), Some((1 << 31) - 1));
        assert_eq!(day(r#""2026-11-21T09:28:01Z""#), Some((1 << 31) + 20_778));
        // The day as it is written, as `generalize` has it.
        assert_eq!(day(r#""1990-05-01T00:00:00+02:00""#), day(r#""1990-05-01""#));
        assert_eq!(day(r#""1990-04-30T22:00:00Z""#), day(r#""1990-04-30""#));
        for raw in [
            r#""yesterday""#,
            "1795253281120",
            r#""1795253281120""#,
            r#""2026-13-01""#,
            r#""2026-11-21T09:28:01""#,
            "true",
            "{}",
        ] {
            assert!(convert(raw, Timestamp).is_none() && convert(raw, Date).is_none(), "{raw}");
        }
    }

    #[test]
    fn an_address_and_a_uuid_are_encoded_as_their_bytes() {
        assert_eq!(bytes(r#""192.0.2.1""#, Inet), Some(Some(vec![192, 0, 2, 1])));
        assert_eq!(bytes(r#""2001:db8::1""#, Inet).unwrap().unwrap().len(), 16);
        let id = bytes(r#""0123abcd-4567-89EF-0123-456789abcdef""#, Uuid).unwrap().unwrap();
        assert_eq!(id, [1, 0x23, 0xab, 0xcd, 0x45, 0x67, 0x89, 0xef, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        for (raw, to) in [
            (r#""192.0.2.256""#, Inet),
            (r#""host""#, Inet),
            ("1", Inet),
            (r#""0123abcd456789ef0123456789abcdef""#, Uuid),
            (r#""0123abcd-4567-89ef-0123-456789abcdeg""#, Uuid),
            (r#""0123abcd-4567-89ef-0123-456789abcdé""#, Uuid),
        ] {
            assert!(convert(raw, to).is_none(), "{raw} as {to:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_causes_a_panic(raw in "\\PC{0,40}", number in "-?[0-9]{1,40}(\\.[0-9]{1,4})?([eE]-?[0-9]{1,3})?") {
            for to in [Text, Bigint, Int, Double, Decimal, Boolean, Timestamp, Date, Inet, Uuid] {
                let _ = (convert(&raw, to), convert(&format!("\"{number}\""), to), convert(&number, to));
            }
        }
    }
}
