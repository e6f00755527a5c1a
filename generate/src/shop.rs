//! A shop that does not exist: its products are functions of their number.

use super::{
    locale::Locale,
    text::{put, put_digits, put_number},
};

/// What is sold, and under which heading.
const THINGS: [(&str, &str); 24] = [
    ("towel", "bath"),
    ("bath mat", "bath"),
    ("soap dish", "bath"),
    ("mug", "kitchen"),
    ("teapot", "kitchen"),
    ("cutting board", "kitchen"),
    ("bread box", "kitchen"),
    ("frying pan", "kitchen"),
    ("desk lamp", "light"),
    ("lantern", "light"),
    ("string lights", "light"),
    ("notebook", "paper"),
    ("wall calendar", "paper"),
    ("gift wrap", "paper"),
    ("backpack", "travel"),
    ("wash bag", "travel"),
    ("umbrella", "travel"),
    ("blanket", "living"),
    ("cushion", "living"),
    ("vase", "living"),
    ("bookend", "living"),
    ("watering can", "garden"),
    ("bird house", "garden"),
    ("flower pot", "garden"),
];
const MATERIALS: [&str; 14] = [
    "linen",
    "cotton",
    "wool",
    "oak",
    "birch",
    "bamboo",
    "steel",
    "copper",
    "glass",
    "stoneware",
    "cork",
    "felt",
    "paper",
    "rattan",
];
const COLOURS: [&str; 15] = [
    "sand", "moss", "ink", "chalk", "rust", "plum", "slate", "honey", "fern", "coral", "night", "snow", "clay", "sky",
    "lemon",
];

/// How many products there are: each thing of each material in each colour.
pub(super) const PRODUCTS: u64 = (THINGS.len() * MATERIALS.len() * COLOURS.len()) as u64;

/// A product, by its number below `PRODUCTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Product(pub(super) u64);

impl Product {
    fn thing(self) -> &'static (&'static str, &'static str) {
        &THINGS[(self.0 % THINGS.len() as u64) as usize]
    }

    fn material(self) -> &'static str {
        MATERIALS[(self.0 / THINGS.len() as u64 % MATERIALS.len() as u64) as usize]
    }

    fn colour(self) -> &'static str {
        COLOURS[(self.0 / (THINGS.len() * MATERIALS.len()) as u64 % COLOURS.len() as u64) as usize]
    }

    /// The heading it is sold under.
    pub(super) fn category(self) -> &'static str {
        self.thing().1
    }

    /// Its price in minor units of the country's currency: 1.99 to 252.99 euros' worth.
    pub(super) fn price(self, locale: &Locale) -> u64 {
        let euro_cents = (2 + self.0 * 7_919 % 252) * 100 - 1;
        euro_cents * locale.currency.1 / 100
    }

    /// Appends its id.
    pub(super) fn put_id(self, out: &mut Vec<u8>) {
        put(out, "p-");
        put_digits(out, self.0, 5);
    }

    /// Appends its name: `linen towel, sand`.
    pub(super) fn put_name(self, out: &mut Vec<u8>) {
        self.put_kind(out);
        put(out, ", ");
        put(out, self.colour());
    }

    /// Appends what kind of thing it is, as people search for it: `linen towel`.
    pub(super) fn put_kind(self, out: &mut Vec<u8>) {
        put(out, self.material());
        out.push(b' ');
        put(out, self.thing().0);
    }

    /// Appends `"id":…` to `"currency":…`, without braces.
    pub(super) fn put_members(self, out: &mut Vec<u8>, locale: &Locale) {
        put(out, "\"id\":\"");
        self.put_id(out);
        put(out, "\",\"name\":\"");
        self.put_name(out);
        put(out, "\",\"category\":\"");
        put(out, self.category());
        put(out, "\",\"price\":");
        put_number(out, self.price(locale));
        put(out, ",\"currency\":\"");
        put(out, locale.currency.0);
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_products_have_one_name() {
        let names: BTreeSet<Vec<u8>> = (0..PRODUCTS)
            .map(|number| {
                let mut name = Vec::new();
                Product(number).put_name(&mut name);
                name
            })
            .collect();
        assert_eq!(names.len() as u64, PRODUCTS);
    }

    #[test]
    fn every_product_costs_something_in_every_country() {
        for locale in &super::super::locale::LOCALES {
            assert!((0..PRODUCTS).all(|number| (100..300_000).contains(&Product(number).price(locale))));
        }
    }
}
