//! Decimal numbers, exact, as the digits of their text: no digit is lost and nothing goes through a
//! float.
//!
//! Work and memory are bounded by the length of the text, not by the size of the number:
//! `1e-2000000000` costs no more than `1`.

/// A decimal number: digits × 10^exponent. It may be personal, so it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Decimal<'t> {
    negative: bool,
    /// Digits before the point, as written.
    whole: &'t str,
    /// Digits after the point, as written.
    fraction: &'t str,
    exponent: i64,
    spelling: Spelling,
}

/// How a number is written, from the strictest spelling to the loosest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spelling {
    /// As JSON has it.
    Json,
    /// As JSON has it, except for zeros before the first digit: `042`.
    Padded,
    /// With a `+`, or with digits on one side of the point only: `+1`, `.5`, `5.`.
    Loose,
}

impl<'t> Decimal<'t> {
    /// Largest exponent that is kept apart from larger ones. It is far beyond the exponent of any
    /// number that is used, and leaves room to add the length of a text.
    const MAX_EXPONENT: i64 = i64::MAX / 2;

    /// Reads a JSON number. Returns `None` if the text is anything else.
    pub fn parse(text: &'t str) -> Option<Self> {
        Self::parse_as(text, Spelling::Json)
    }

    /// Reads a number in this spelling or in a stricter one.
    pub fn parse_as(text: &'t str, loosest: Spelling) -> Option<Self> {
        let (negative, plus, rest) = split_sign(text);
        let (whole, rest) = split_digits(rest);
        let (fraction, rest, point) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (fraction, rest) = split_digits(rest);
                (fraction, rest, true)
            }
            None => ("", rest, false),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest.strip_prefix(['e', 'E']) {
            Some(rest) => parse_exponent(rest)?,
            None if rest.is_empty() => 0,
            None => return None,
        };
        let spelling = if plus || whole.is_empty() || (point && fraction.is_empty()) {
            Spelling::Loose
        } else if whole.len() > 1 && whole.starts_with('0') {
            Spelling::Padded
        } else {
            Spelling::Json
        };
        (spelling <= loosest).then_some(Self { negative, whole, fraction, exponent, spelling })
    }

    /// Returns how the number is written.
    pub fn spelling(&self) -> Spelling {
        self.spelling
    }

    /// Returns whether the number has a minus sign. Zero may have one.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Returns the digits before the point, as written.
    pub fn whole(&self) -> &'t str {
        self.whole
    }

    /// Returns the digits after the point, as written.
    pub fn fraction(&self) -> &'t str {
        self.fraction
    }

    /// Returns the exponent as written, or ±2^62 if it is larger.
    pub fn exponent(&self) -> i64 {
        self.exponent
    }

    /// Returns the digits before and after the point, as written, from 0 to 9.
    pub fn digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        values(self.whole).chain(values(self.fraction))
    }

    /// Returns the digits that decide the value.
    pub fn significant(&self) -> Significant<'t> {
        let zero = |digit| digit == '0';
        let (mut head, mut tail) = (self.whole.trim_start_matches(zero), self.fraction);
        if head.is_empty() {
            tail = tail.trim_start_matches(zero);
        }
        let mut end = self.exponent - self.fraction.len() as i64;
        let length = tail.len();
        tail = tail.trim_end_matches(zero);
        end += (length - tail.len()) as i64;
        if tail.is_empty() {
            let length = head.len();
            head = head.trim_end_matches(zero);
            end += (length - head.len()) as i64;
        }
        if head.is_empty() && tail.is_empty() {
            end = 0;
        }
        Significant { head, tail, exponent: end }
    }

    /// Appends the number without an exponent, without zeros that do not change it, and without a
    /// minus before zero, so that equal numbers have one text. Returns `None` and appends nothing
    /// if that takes more than `longest` digits.
    pub fn push_plain(&self, longest: usize, out: &mut String) -> Option<()> {
        let digits = self.significant();
        if digits.is_empty() {
            out.push('0');
            return Some(());
        }
        let count = digits.len() as i64;
        // The value is 0.d1d2..dn × 10^point.
        let point = count + digits.exponent;
        let length = if point <= 0 { 1 - point + count } else { count.max(point) };
        if usize::try_from(length).map_or(true, |length| length > longest) {
            return None;
        }
        if self.negative {
            out.push('-');
        }
        if point <= 0 {
            out.push_str("0.");
            (point..0).for_each(|_| out.push('0'));
        }
        for (at, digit) in (0..).zip(digits.head.chars().chain(digits.tail.chars())) {
            if at > 0 && at == point {
                out.push('.');
            }
            out.push(digit);
        }
        (count..point).for_each(|_| out.push('0'));
        Some(())
    }

    /// Returns the number if it is an integer of 64 bits, however it is written: `12`, `12.0` and
    /// `1.2e1` are 12.
    pub fn to_i64(&self) -> Option<i64> {
        const LONGEST: i64 = 19;
        let digits = self.significant();
        if digits.exponent < 0 || digits.len() as i64 + digits.exponent > LONGEST {
            return None;
        }
        let power = 10_i128.pow(u32::try_from(digits.exponent).ok()?);
        let value = i128::try_from(digits.coefficient()?).ok()? * power;
        i64::try_from(if self.negative { -value } else { value }).ok()
    }

    /// Returns the greatest integer that is not above the number × 10^`shift`, or the nearest
    /// integer of 128 bits if it has more.
    pub fn floor(&self, shift: i64) -> i128 {
        // How many digits are before the point once it is moved.
        let point = (self.whole.len() as i64).saturating_add(self.exponent).saturating_add(shift).max(0);
        let (mut value, mut has_rest, mut count) = (0_i128, false, 0);
        for digit in self.digits() {
            if count < point {
                value = value.saturating_mul(10).saturating_add(digit.into());
            } else {
                has_rest |= digit != 0;
            }
            count += 1;
        }
        // At most 39 steps: a value that is not zero soon reaches the largest.
        while count < point && value != 0 && value != i128::MAX {
            value = value.saturating_mul(10);
            count += 1;
        }
        if self.negative { -value - i128::from(has_rest) } else { value }
    }

    /// Returns whether the number is written without a fraction, or with an exponent that leaves
    /// none. `1.0` has a fraction, `1.5e1` has none.
    pub fn is_written_whole(&self) -> bool {
        self.fraction.len() as i64 <= self.exponent.max(0)
            && (self.exponent >= 0 || self.whole.bytes().all(|digit| digit == b'0'))
    }
}

/// Numbers are equal if their sign and value are. `-0` is not `0`, as in a float's bits.
impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative && self.significant() == other.significant()
    }
}

/// The digits of a number without zeros at either end, and their power of ten; none for zero.
#[derive(Clone, Copy)]
pub struct Significant<'t> {
    head: &'t str,
    tail: &'t str,
    exponent: i64,
}

impl Significant<'_> {
    /// Returns how many digits there are.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Returns whether the number is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the power of ten that the digits, read as an integer, are multiplied by.
    pub fn exponent(&self) -> i64 {
        self.exponent
    }

    /// Returns the digits as an integer; `None` if 128 bits do not hold it.
    pub fn coefficient(&self) -> Option<u128> {
        let add = |value: u128, digit: u8| value.checked_mul(10)?.checked_add(digit.into());
        values(self.head).chain(values(self.tail)).try_fold(0, add)
    }
}

impl PartialEq for Significant<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.exponent == other.exponent
            && self.head.bytes().chain(self.tail.bytes()).eq(other.head.bytes().chain(other.tail.bytes()))
    }
}

fn values(digits: &str) -> impl DoubleEndedIterator<Item = u8> {
    digits.bytes().map(|digit| digit - b'0')
}

/// Returns whether the text begins with a minus, whether with a plus, and the rest.
fn split_sign(text: &str) -> (bool, bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, false, &text[1..]),
        Some(b'+') => (false, true, &text[1..]),
        _ => (false, false, text),
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, _, rest) = split_sign(text);
    let (digits, rest) = split_digits(rest);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let size = values(digits).fold(0_i64, |size, digit| size.saturating_mul(10).saturating_add(digit.into()));
    let size = size.min(Decimal::MAX_EXPONENT);
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests;
