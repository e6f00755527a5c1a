//! Formats instants as text: RFC 3339 in UTC with milliseconds. Every text has the same length, so
//! the order of texts is the order of times.

use jiff::Timestamp;

/// Returns the current time in milliseconds since 1970.
#[cfg(feature = "cassandra")]
pub(crate) fn now() -> i64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Formats milliseconds since 1970, e.g. `2026-11-21T09:28:01.123Z`. An instant outside of the
/// years -9999 to 9999 becomes the nearest one inside.
pub(crate) fn rfc3339(millis: i64) -> String {
    let nearest = if millis < 0 { Timestamp::MIN } else { Timestamp::MAX };
    format!("{:.3}", Timestamp::from_millisecond(millis).unwrap_or(nearest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_always_has_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_795_253_281_120), "2026-11-21T09:28:01.120Z");
    }

    #[test]
    fn an_instant_outside_of_the_calendar_becomes_the_nearest_one() {
        assert!(rfc3339(i64::MAX).starts_with("9999-12-30"));
        assert!(rfc3339(i64::MIN).starts_with("-009999-01-02"));
    }
}
