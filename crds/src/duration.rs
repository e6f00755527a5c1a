//! A fixed length of time as users write it: `7d`, `1h30m`, `500ms`.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The pattern every duration matches. Months and years have no fixed length and are not accepted.
pub const PATTERN: &str = "^([0-9]{1,6}(ms|s|m|h|d|w))+$";

/// A fixed length of time. Keeps its text, so that a manifest round-trips.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Duration {
    text: String,
    millis: i64,
}

impl Duration {
    /// Returns the length in milliseconds.
    pub fn millis(&self) -> i64 {
        self.millis
    }

    /// Returns the text it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Why a text is not a duration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DurationError {
    /// The text is not a sequence of numbers with units.
    #[error(
        "not a duration: write numbers with a unit of ms, s, m, h, d or w, such as 7d or 1h30m; months and years have no fixed length, write 30d or 365d"
    )]
    Form,
    /// The length exceeds 292 million years.
    #[error("too long a duration")]
    TooLong,
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let mut rest = text;
        let mut millis: i64 = 0;
        if rest.is_empty() {
            return Err(DurationError::Form);
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || digits > 6 {
                return Err(DurationError::Form);
            }
            let number: i64 = rest[..digits].parse().map_err(|_| DurationError::Form)?;
            rest = &rest[digits..];
            let (unit, length) = if rest.starts_with("ms") {
                (1, 2)
            } else {
                let unit = match rest.bytes().next() {
                    Some(b's') => 1_000,
                    Some(b'm') => 60_000,
                    Some(b'h') => 3_600_000,
                    Some(b'd') => 86_400_000,
                    Some(b'w') => 604_800_000,
                    _ => return Err(DurationError::Form),
                };
                (unit, 1)
            };
            rest = &rest[length..];
            millis = millis.checked_add(number * unit).ok_or(DurationError::TooLong)?;
        }
        Ok(Self { text: text.to_owned(), millis })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": PATTERN, "maxLength": 64})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_the_sum_of_its_parts() {
        let length = |text: &str| text.parse::<Duration>().map(|d| d.millis());
        assert_eq!(length("7d"), Ok(7 * 86_400_000));
        assert_eq!(length("1h30m"), Ok(5_400_000));
        assert_eq!(length("500ms"), Ok(500));
        assert_eq!(length("1m1ms"), Ok(60_001));
        assert_eq!(length("2w"), Ok(14 * 86_400_000));
    }

    #[test]
    fn months_years_signs_and_blanks_are_refused() {
        for text in ["", "7", "d", "-7d", "2y", "P7D", "1.5h", " 7d", "7d ", "1234567s", "banana7d"] {
            assert_eq!(text.parse::<Duration>(), Err(DurationError::Form), "{text}");
        }
    }
}
