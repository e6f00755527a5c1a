//! United States. Phone numbers: 555-0100 to 555-0199, kept for fiction.

use super::{Locale, Word, town, word};

const SURNAMES: &[Word] = &[
    word("Johnson", "johnson"),
    word("García", "garcia"),
    word("Nguyễn", "nguyen"),
    word("Muñoz", "munoz"),
    word("O'Malley", "omalley"),
    word("Washington", "washington"),
    word("Peña-Ruiz", "penaruiz"),
    word("Kim", "kim"),
    word("Rosenbaum", "rosenbaum"),
    word("Begaye", "begaye"),
];

pub(super) const UNITED_STATES: Locale = Locale {
    code: "US",
    country: "United States",
    women: &[
        word("Emily", "emily"),
        word("María", "maria"),
        word("Beyoncé", "beyonce"),
        word("Ashley", "ashley"),
        word("Thủy", "thuy"),
        word("LaToya", "latoya"),
        word("Inés", "ines"),
        word("Madison", "madison"),
    ],
    men: &[
        word("Michael", "michael"),
        word("José", "jose"),
        word("Andrés", "andres"),
        word("DeShawn", "deshawn"),
        word("Jesús", "jesus"),
        word("Tyler", "tyler"),
        word("Minh", "minh"),
        word("Christopher", "christopher"),
    ],
    surnames_of_women: SURNAMES,
    surnames_of_men: SURNAMES,
    surname_first: false,
    streets: &["Cañon Feather Dr", "N Persimmon Ave Apt 4", "Old Lantern Pkwy", "Calle Peñasco", "W 900th St"],
    number_first: true,
    towns: &[
        town("Cañada Blanca", "New Mexico"),
        town("Piñonville", "Colorado"),
        town("Fort Larkspur", "Kansas"),
        town("New Silverbrook", "Oregon"),
        town("Lake Ottoway", "Minnesota"),
    ],
    postcode: "#####",
    phones: &["+1 212 555 01##", "+1 415 555 01##", "+1 503 555 01##", "+1 612 555 01##"],
    mobiles: &["+1 505 555 01##", "+1 720 555 01##", "+1 913 555 01##"],
    // No IBAN there: an account abroad.
    iban: ("DE", "00000000##########"),
    // The Social Security Administration gives out no number that begins with 666.
    national_id: ("SSN", "666-##-####"),
    language: "en-US",
    currency: ("USD", 108),
    timezone: ("-7:00", "Mountain Time (US & Canada)"),
    corner: (340_000, -1_150_000),
    size: (120_000, 300_000),
};
