//! The forms that a date or a time can have.

use jiff::fmt::{rfc2822, temporal::Pieces};
use lethe_crds::profile_pipeline::TimeUnit;

use super::civil::Day;
use crate::{json::Decimal, scalar::Scalar};

/// 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z: the range of RFC 3339, in milliseconds.
const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;
/// 0002-01-01T00:00:00Z. Years 0 and 1 are the zero time of Go and .NET, in any offset.
const AFTER_ZERO_TIME: i64 = -62_104_060_800_000;

/// An instant, cut to milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z; between the years 0000 and 9999.
    pub millis: i64,
    /// Whether its form has no milliseconds: a text without a fraction, or an integer of seconds.
    pub whole_seconds: bool,
}

/// An instant, and its day in the calendar of its writer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The instant.
    pub instant: Instant,
    /// As written: in the offset of the text.
    pub(crate) day: Day,
}

/// Reads the time of an event: RFC 3339 (with `T` or a blank), the basic format of ISO 8601 with an
/// offset, or a number since 1970, also as a text. Without a unit, a number from 100,000,000,000
/// (1973 in milliseconds) on is milliseconds, one from 100,000,000 (1973 in seconds) on is seconds,
/// and a smaller one is refused.
pub fn parse_event_time(value: &Scalar<'_>, unit: Option<TimeUnit>) -> Option<Instant> {
    let number = |text: &str| {
        let number = Decimal::parse(text.trim())?;
        since_1970(&number, unit.or_else(|| likely_unit(&number))?)
    };
    match value {
        Scalar::Text(text) => timestamp(text.as_bytes()).or_else(|| rare(text)).or_else(|| number(text)),
        Scalar::Number(text) => number(text),
        Scalar::Null | Scalar::Bool(_) => None,
    }
    .map(|moment| moment.instant)
}

/// Reads every form that has only one meaning: the texts of an event time, a day (`2026-11-02`,
/// `2026/11/02`: midnight UTC) and RFC 2822. A number is read if its unit is given, also as a text.
pub fn parse_moment(value: &Scalar<'_>, unit: Option<TimeUnit>) -> Option<Moment> {
    let number = |text: &str| since_1970(&Decimal::parse(text)?, unit?);
    match value {
        Scalar::Text(text) => {
            let text = text.trim();
            timestamp(text.as_bytes())
                .or_else(|| day_only(text.as_bytes()))
                .or_else(|| rare(text))
                .or_else(|| number(text))
                .or_else(|| mail_date(text))
        }
        Scalar::Number(text) => number(text),
        Scalar::Null | Scalar::Bool(_) => None,
    }
}

/// Returns whether a time was probably never set: the start of 1970, or a day of the years 0 and 1.
pub(crate) fn is_zero_time(millis: i64) -> bool {
    millis == 0 || millis < AFTER_ZERO_TIME
}

/// Returns whether [`rfc3339`] can write an instant: between the years 0000 and 9999.
pub(crate) fn has_four_digit_year(millis: i64) -> bool {
    RANGE.contains(&millis)
}

/// Writes an instant as RFC 3339 in UTC: `2026-11-02T09:00:00Z`, with `.123` only if there are
/// milliseconds. Returns the number of bytes written. The caller has checked
/// [`has_four_digit_year`].
pub(crate) fn rfc3339(millis: i64, out: &mut [u8; 24]) -> usize {
    let day = Day::from_1970(millis.div_euclid(86_400_000));
    let of_day = millis.rem_euclid(86_400_000);
    let mut put = |at: usize, width: usize, mut value: i64| {
        for digit in out[at..at + width].iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    put(0, 4, day.year);
    put(5, 2, i64::from(day.month));
    put(8, 2, i64::from(day.of_month));
    put(11, 2, of_day / 3_600_000);
    put(14, 2, of_day / 60_000 % 60);
    put(17, 2, of_day / 1000 % 60);
    put(20, 3, of_day % 1000);
    for (at, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        out[at] = mark;
    }
    if of_day % 1000 == 0 {
        out[19] = b'Z';
        20
    } else {
        out[19] = b'.';
        out[23] = b'Z';
        24
    }
}

impl Moment {
    /// Returns a moment from the day of the calendar, the time on that day and the offset as
    /// written. `None` if UTC's year does not have four digits.
    fn new(day: Day, millis_of_day: i64, offset_seconds: i64, whole_seconds: bool) -> Option<Self> {
        let millis = day.since_1970() * 86_400_000 + millis_of_day - offset_seconds * 1000;
        RANGE.contains(&millis).then_some(Self { instant: Instant { millis, whole_seconds }, day })
    }

    /// Returns its day as it is written, in days since 1970-01-01. The offset is not applied, so a
    /// birthday at midnight in Berlin stays on its day.
    pub fn written_day(&self) -> i64 {
        self.day.since_1970()
    }
}

/// Parses RFC 3339 without a library.
fn timestamp(text: &[u8]) -> Option<Moment> {
    // "2026-11-02T09:00:00Z" is the shortest form.
    if text.len() < 20 || !matches!(text[10], b'T' | b't' | b' ') || text[13] != b':' || text[16] != b':' {
        return None;
    }
    let day = day(&text[..10]).filter(|_| text[4] == b'-')?;
    let (hour, minute, second) = (two(&text[11..])?, two(&text[14..])?, two(&text[17..])?);
    // `jiff` handles a leap second.
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &text[19..];
    let mut millis = 0;
    let mut whole_seconds = true;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let mut weight = 100;
        for digit in &fraction[..digits.min(3)] {
            millis += i64::from(digit - b'0') * weight;
            weight /= 10;
        }
        rest = &fraction[digits..];
        whole_seconds = false;
    }
    let offset = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(&[*h1, *h2])?, two(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let of_day = (i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * 1000 + millis;
    Moment::new(day, of_day, offset, whole_seconds)
}

/// Parses two digits at the start of a text.
fn two(text: &[u8]) -> Option<u8> {
    let (tens, ones) = (text[0].wrapping_sub(b'0'), text[1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| tens * 10 + ones)
}

/// Parses `2026-11-02` or `2026/11/02`, nothing else.
fn day(text: &[u8]) -> Option<Day> {
    if text.len() != 10 || !matches!((text[4], text[7]), (b'-', b'-') | (b'/', b'/')) {
        return None;
    }
    let year = i64::from(two(text)?) * 100 + i64::from(two(&text[2..])?);
    Day::new(year, two(&text[5..])?, two(&text[8..])?)
}

/// Parses a day as its midnight in UTC.
fn day_only(text: &[u8]) -> Option<Moment> {
    Moment::new(day(text)?, 0, 0, true)
}

/// Parses the rare relatives of RFC 3339: leap seconds and the basic format of ISO 8601. The name
/// of a time zone in brackets is refused: its meaning changes with the time zone database.
fn rare(text: &str) -> Option<Moment> {
    if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) || text.len() < 12 {
        return None;
    }
    let pieces = Pieces::parse(text).ok()?;
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    let (date, time, offset) = (pieces.date(), pieces.time()?, pieces.to_numeric_offset()?);
    of_jiff(date, time, offset, !text.contains(['.', ',']))
}

/// Parses RFC 2822: `Mon, 02 Nov 2026 09:00:00 +0100`.
fn mail_date(text: &str) -> Option<Moment> {
    let zoned = rfc2822::DateTimeParser::new().parse_zoned(text).ok()?;
    of_jiff(zoned.date(), zoned.time(), zoned.offset(), true)
}

fn of_jiff(
    date: jiff::civil::Date,
    time: jiff::civil::Time,
    offset: jiff::tz::Offset,
    whole_seconds: bool,
) -> Option<Moment> {
    let day = Day::new(i64::from(date.year()), u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?)?;
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    Moment::new(day, seconds * 1000 + i64::from(time.millisecond()), i64::from(offset.seconds()), whole_seconds)
}

/// Returns the unit that a number of recent events has: `None` if the number is of 1973 or earlier
/// in both units.
fn likely_unit(number: &Decimal<'_>) -> Option<TimeUnit> {
    match number.floor(0) {
        100_000_000_000.. => Some(TimeUnit::Millis),
        100_000_000.. => Some(TimeUnit::Seconds),
        _ => None,
    }
}

/// Returns the moment of a number since 1970, rounded down to milliseconds.
fn since_1970(number: &Decimal<'_>, unit: TimeUnit) -> Option<Moment> {
    let (shift, whole_seconds) = match unit {
        TimeUnit::Seconds => (3, number.is_written_whole()),
        TimeUnit::Millis => (0, false),
    };
    let millis = i64::try_from(number.floor(shift)).ok()?;
    let day = || Day::from_1970(millis.div_euclid(86_400_000));
    RANGE.contains(&millis).then(|| Moment { instant: Instant { millis, whole_seconds }, day: day() })
}

#[cfg(test)]
mod tests;
