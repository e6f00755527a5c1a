//! The forms that a date or a time can have.

use jiff::fmt::{rfc2822, temporal::Pieces};

use super::civil::Day;
use crate::{json::Decimal, scalar::Scalar};

/// A number of this magnitude or more counts milliseconds, a smaller one seconds.
const FIRST_MILLIS: i128 = 100_000_000_000;
/// 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z: the range of RFC 3339, in milliseconds.
const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// An instant, cut to milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z; between the years 0000 and 9999.
    pub millis: i64,
    /// Whether its form has no milliseconds: a text without a fraction, or an integer of seconds.
    pub whole_seconds: bool,
}

/// An instant, and the month in the calendar of its writer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub instant: Instant,
    /// As written: in the offset of the text.
    pub year: i64,
    /// As written.
    pub month: u8,
}

/// Reads the time of an event: RFC 3339 (with `T` or a blank), the basic format of ISO 8601 with an
/// offset, or seconds or milliseconds since 1970 as a number or a text of one. A number of
/// magnitude 100,000,000,000 or more is milliseconds.
pub fn parse_event_time(value: &Scalar<'_>) -> Option<Instant> {
    match value {
        Scalar::Text(text) => {
            timestamp(text.as_bytes()).or_else(|| rare(text)).or_else(|| epoch(text)).map(|moment| moment.instant)
        }
        Scalar::Number(text) => epoch(text).map(|moment| moment.instant),
        Scalar::Null | Scalar::Bool(_) => None,
    }
}

/// Reads every form that has only one meaning: those of an event time, a day (`2026-11-02`,
/// `2026/11/02`: midnight UTC) and RFC 2822. A bare number that looks like a day, a month or a year
/// (`20261102`, `202611`, `2026`) has two meanings and is refused.
pub(crate) fn parse_any(value: &Scalar<'_>) -> Option<Moment> {
    match value {
        Scalar::Text(text) => {
            let text = text.trim();
            timestamp(text.as_bytes())
                .or_else(|| day_only(text.as_bytes()))
                .or_else(|| rare(text))
                .or_else(|| if looks_like_a_day(text) { None } else { epoch(text) })
                .or_else(|| mail_date(text))
        }
        Scalar::Number(text) if !looks_like_a_day(text) => epoch(text),
        Scalar::Number(_) | Scalar::Null | Scalar::Bool(_) => None,
    }
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
        RANGE.contains(&millis).then_some(Self {
            instant: Instant { millis, whole_seconds },
            year: day.year,
            month: day.month,
        })
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

/// Parses seconds or milliseconds since 1970, rounded down to milliseconds.
fn epoch(text: &str) -> Option<Moment> {
    let number = Decimal::parse(text.trim())?;
    let count = number.floor(0);
    let in_millis = count >= FIRST_MILLIS || count <= -FIRST_MILLIS;
    let millis = i64::try_from(if in_millis { count } else { number.floor(3) }).ok()?;
    if !RANGE.contains(&millis) {
        return None;
    }
    let day = Day::from_1970(millis.div_euclid(86_400_000));
    let whole_seconds = !in_millis && number.is_written_whole();
    Some(Moment { instant: Instant { millis, whole_seconds }, year: day.year, month: day.month })
}

/// Returns whether a bare number reads as a day (`20261102`), a month (`202611`) or a year (`2026`)
/// of the present.
fn looks_like_a_day(text: &str) -> bool {
    let text = text.as_bytes();
    if !matches!(text.len(), 4 | 6 | 8) || !text.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let pair = |at: usize| text.get(at..).filter(|rest| rest.len() >= 2).map_or(Some(1), two);
    matches!(two(text), Some(18..=21)) && matches!(pair(4), Some(1..=12)) && matches!(pair(6), Some(1..=31))
}

#[cfg(test)]
mod tests;
