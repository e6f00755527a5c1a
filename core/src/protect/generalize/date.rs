//! The month or year of a date.

use std::fmt::Write;

use lethe_crds::profile_pipeline::DatePrecision;

use crate::{scalar::Scalar, time::parse_moment};

/// Appends `1984-07` or `1984` by the calendar of its writer: the offset in the value is not
/// applied, so that a birthday at midnight in Berlin stays in its month. A number is refused: only
/// a cleaning step knows its unit.
pub(super) fn cut(value: &Scalar<'_>, precision: DatePrecision, out: &mut String) -> Option<()> {
    let day = parse_moment(value, None)?.day;
    match precision {
        DatePrecision::Month => write!(out, "{:04}-{:02}", day.year, day.month),
        DatePrecision::Year => write!(out, "{:04}", day.year),
    }
    .ok()
}
