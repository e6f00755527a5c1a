//! One subject: a pure function of the seed and its number, so that no table of subjects is needed
//! and the same subject is the same person in each of its events.

use super::{
    draw::{Draw, Purpose},
    locale::{LOCALES, Locale, Town, Word},
    numbers::{Blanks, put_pattern},
    text::{Day, put, put_digits, put_number},
};

/// Domains that RFC 2606 keeps for examples: mail to them reaches no one.
const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];

/// What a subject is at one instant: a pure function of the subject and the time, so that it moves
/// on from event to event without any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) plan: &'static str,
    pub(super) tier: &'static str,
    /// What the customer has spent, in hundredths; it only grows.
    pub(super) lifetime_hundredths: u64,
}

const PLANS: [&str; 5] = ["free", "basic", "family", "plus", "business"];

/// One subject.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) number: u64,
    pub(super) locale: &'static Locale,
    pub(super) woman: bool,
    first: &'static Word,
    last: &'static Word,
    domain: &'static str,
    /// The e-mail address was typed with the shift key held.
    capitals: bool,
    street: &'static str,
    pub(super) house: u64,
    pub(super) town: &'static Town,
    postcode_bits: u64,
    phone: &'static str,
    mobile: &'static str,
    phone_bits: u64,
    /// One in 24 gave none.
    pub(super) has_phone: bool,
    national_bits: u64,
    pub(super) born: Day,
    pub(super) born_millis: u64,
    /// Days between the account's opening and 2025-12-31.
    pub(super) member_days: u64,
    pub(super) uuid: (u64, u64),
    /// North and east of the country's corner, in ten-thousandths of a degree.
    pub(super) place: (i64, i64),
    pub(super) portrait: u64,
    /// Bits for what else is fixed.
    pub(super) bits: u64,
    spent_before: u64,
    spends_a_minute: u64,
    plan_minutes: u64,
}

impl Person {
    /// The subject of this number.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut draw = Draw::new(seed, Purpose::Subject, number);
        let locale = draw.pick(&LOCALES);
        let woman = draw.one_in(2);
        let (names, surnames) =
            if woman { (locale.women, locale.surnames_of_women) } else { (locale.men, locale.surnames_of_men) };
        Self {
            number,
            locale,
            woman,
            first: draw.pick(names),
            last: draw.pick(surnames),
            domain: draw.text(&DOMAINS),
            capitals: draw.one_in(16),
            street: draw.text(locale.streets),
            house: 1 + draw.below(190),
            town: draw.pick(locale.towns),
            postcode_bits: draw.bits(),
            phone: draw.text(locale.phones),
            mobile: draw.text(locale.mobiles),
            phone_bits: draw.bits(),
            has_phone: !draw.one_in(24),
            national_bits: draw.bits(),
            born: Day { year: 1935 + draw.below(72), month: 1 + draw.below(12), of_month: 1 + draw.below(28) },
            born_millis: draw.below(86_400_000),
            member_days: draw.below(4_000),
            uuid: (draw.bits(), draw.bits()),
            place: (
                locale.corner.0 + draw.below(locale.size.0) as i64,
                locale.corner.1 + draw.below(locale.size.1) as i64,
            ),
            portrait: draw.below(100),
            bits: draw.bits(),
            // A product, so that few spend much and many little.
            spent_before: draw.below(1_000) * draw.below(800),
            spends_a_minute: draw.below(300),
            plan_minutes: 1 + draw.below(600),
        }
    }

    /// What it is so many milliseconds after the first time an event can have.
    pub(super) fn standing(&self, elapsed_millis: u64) -> Standing {
        let minutes = elapsed_millis / 60_000;
        // Counted up every second, so that two events of one minute differ.
        let spent = self.spent_before + elapsed_millis / 1_000 * self.spends_a_minute / 60;
        let tier = match spent {
            0..50_000 => "bronze",
            50_000..200_000 => "silver",
            200_000..500_000 => "gold",
            _ => "platinum",
        };
        let step = (self.bits % 5 + minutes / self.plan_minutes) % 5;
        Standing { plan: PLANS[step as usize], tier, lifetime_hundredths: spent }
    }

    /// Appends the account's id: `u-00000042` is subject 42, under every seed.
    pub(super) fn put_account_id(&self, out: &mut Vec<u8>) {
        put(out, "u-");
        if self.number < 100_000_000 {
            put_digits(out, self.number, 8);
        } else {
            put_number(out, self.number);
        }
    }

    /// The given name.
    pub(super) fn first(&self) -> &'static str {
        self.first.text
    }

    /// The surname.
    pub(super) fn last(&self) -> &'static str {
        self.last.text
    }

    /// Appends the whole name in the order of the country.
    pub(super) fn put_name(&self, out: &mut Vec<u8>) {
        let (front, back) = if self.locale.surname_first { (self.last, self.first) } else { (self.first, self.last) };
        put(out, front.text);
        out.push(b' ');
        put(out, back.text);
    }

    /// Appends the user name, which no other subject has.
    pub(super) fn put_username(&self, out: &mut Vec<u8>) {
        put(out, self.first.slug);
        put(out, self.last.slug);
        put_number(out, self.number);
    }

    /// Appends the e-mail address, which no other subject has: always typed the same way by the
    /// same subject, by one in 16 in capitals.
    pub(super) fn put_email(&self, out: &mut Vec<u8>) {
        let start = out.len();
        put(out, self.first.slug);
        out.push(b'.');
        put(out, self.last.slug);
        put_number(out, self.number);
        out.push(b'@');
        put(out, self.domain);
        if self.capitals {
            out[start..].make_ascii_uppercase();
        }
    }

    /// Appends the mobile number: E.164, or in groups.
    pub(super) fn put_mobile(&self, out: &mut Vec<u8>, blanks: Blanks) {
        put_pattern(out, self.mobile, self.phone_bits, blanks);
    }

    /// Appends the number of the fixed line, in groups.
    pub(super) fn put_phone(&self, out: &mut Vec<u8>) {
        put_pattern(out, self.phone, self.phone_bits >> 7, Blanks::Keep);
    }

    /// How the subject writes its phone number: one in three in groups.
    pub(super) fn phone_blanks(&self) -> Blanks {
        if self.bits.is_multiple_of(3) { Blanks::Keep } else { Blanks::Omit }
    }

    /// The street without the house number.
    pub(super) fn street(&self) -> &'static str {
        self.street
    }

    /// Appends street and house number in the order of the country.
    pub(super) fn put_street(&self, out: &mut Vec<u8>) {
        if self.locale.number_first {
            put_number(out, self.house);
            out.push(b' ');
            put(out, self.street);
        } else {
            put(out, self.street);
            out.push(b' ');
            put_number(out, self.house);
        }
    }

    /// Appends the postcode.
    pub(super) fn put_postcode(&self, out: &mut Vec<u8>) {
        put_pattern(out, self.locale.postcode, self.postcode_bits, Blanks::Keep);
    }

    /// Appends the national id.
    pub(super) fn put_national_id(&self, out: &mut Vec<u8>) {
        put_pattern(out, self.locale.national_id.1, self.national_bits, Blanks::Keep);
    }
}
