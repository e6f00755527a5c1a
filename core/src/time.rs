//! Dates and times as events write them, read without a clock and without a time zone database.
//!
//! RFC 3339 is read by hand, because nearly every event has one; the rare rest by `jiff`. A local
//! time without an offset is nobody's instant: it is refused everywhere.

mod civil;
mod forms;

pub use forms::{Instant, parse_event_time};
pub(crate) use forms::{has_four_digit_year, parse_any, rfc3339};
