//! Dates and times as events write them, read without a clock and without a time zone database.
//!
//! RFC 3339 is parsed by hand, because nearly every event uses it; `jiff` parses the rare other
//! forms. A local time without an offset is not an instant, and is refused everywhere.

mod civil;
mod forms;

pub use forms::{Instant, Moment, parse_event_time, parse_moment};
pub(crate) use forms::{has_four_digit_year, is_zero_time, rfc3339};
