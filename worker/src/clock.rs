//! The only place where this crate reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Returns the milliseconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Returns the UTC day of an instant, as in `2026-11-21`.
pub(crate) fn day_of(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| "1970-01-01".to_owned(), |at| at.strftime("%F").to_string())
}
