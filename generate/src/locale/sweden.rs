//! Sweden. Phone numbers: the ranges that PTS keeps for books and films.

use super::{Locale, Word, town, word};

const SURNAMES: &[Word] = &[
    word("Åström", "astrom"),
    word("Sjöberg", "sjoberg"),
    word("Öhman", "ohman"),
    word("Lindqvist", "lindqvist"),
    word("Hägg", "hagg"),
    word("Björklund", "bjorklund"),
    word("af Ekenstam", "afekenstam"),
    word("Nyström", "nystrom"),
];

pub(super) const SWEDEN: Locale = Locale {
    code: "SE",
    country: "Sweden",
    women: &[
        word("Åsa", "asa"),
        word("Märta", "marta"),
        word("Görel", "gorel"),
        word("Linnéa", "linnea"),
        word("Ebba", "ebba"),
        word("Anna-Märit", "annamarit"),
    ],
    men: &[
        word("Åke", "ake"),
        word("Göran", "goran"),
        word("Håkan", "hakan"),
        word("Östen", "osten"),
        word("Per-Erik", "pererik"),
        word("Nils", "nils"),
    ],
    surnames_of_women: SURNAMES,
    surnames_of_men: SURNAMES,
    surname_first: false,
    streets: &["Blåklintsstigen", "Älvkungsgatan", "Övre Häggvägen", "Fågelsångsbacken", "Tjäderstråket"],
    number_first: false,
    towns: &[
        town("Norra Ängsjö", "Dalarna"),
        town("Fårkulla", "Gotland"),
        town("Östra Mörkvik", "Västerbotten"),
        town("Hästköping", "Skåne"),
    ],
    postcode: "### ##",
    phones: &["+46 8 465 004 ##", "+46 31 390 06 0#", "+46 40 628 04 1#", "+46 980 319 2##"],
    mobiles: &["+46 70 174 06 1#", "+46 70 174 06 5#", "+46 70 174 06 9#"],
    iban: ("SE", "00000000############"),
    // Its month would be 00.
    national_id: ("Personnummer", "19##00##-####"),
    language: "sv-SE",
    currency: ("SEK", 1120),
    timezone: ("+1:00", "Stockholm, Copenhagen, Oslo"),
    corner: (560_000, 130_000),
    size: (80_000, 30_000),
};
