//! United Kingdom. Phone numbers: the ranges that Ofcom keeps for TV and radio drama.

use super::{Locale, Word, town, word};

const SURNAMES: &[Word] = &[
    word("O'Connor", "oconnor"),
    word("Smith", "smith"),
    word("Fitzwilliam-Hughes", "fitzwilliamhughes"),
    word("MacDonald", "macdonald"),
    word("Siôn", "sion"),
    word("Patel", "patel"),
    word("de la Mare", "delamare"),
    word("Brontë", "bronte"),
    word("Taylor", "taylor"),
    word("Okonkwo", "okonkwo"),
];

pub(super) const UNITED_KINGDOM: Locale = Locale {
    code: "GB",
    country: "United Kingdom",
    women: &[
        word("Siobhán", "siobhan"),
        word("Olivia", "olivia"),
        word("Ffion", "ffion"),
        word("Charlotte", "charlotte"),
        word("Amara", "amara"),
        word("Zoë", "zoe"),
        word("Mary Ann", "maryann"),
        word("Isla", "isla"),
    ],
    men: &[
        word("Oliver", "oliver"),
        word("Seán", "sean"),
        word("Siôr", "sior"),
        word("Mohammed", "mohammed"),
        word("Alistair", "alistair"),
        word("Ruairí", "ruairi"),
        word("Harry", "harry"),
        word("George", "george"),
    ],
    surnames_of_women: SURNAMES,
    surnames_of_men: SURNAMES,
    surname_first: false,
    streets: &[
        "Marmalade Lane",
        "St Ethelwine's Road",
        "Old Cheesewright Street",
        "Nightjar Crescent",
        "Tumbledown Mews",
    ],
    number_first: true,
    towns: &[
        town("Market Wexcombe", "Wiltshire"),
        town("Llanfair-y-Brân", "Gwynedd"),
        town("Stoke Ambrose", "Devon"),
        town("Inverdoran", "Highlands and Islands"),
        town("Nether Piddlington", "Derbyshire"),
    ],
    // No postcode area begins with Q.
    postcode: "Q@## #@@",
    phones: &["+44 20 7946 0###", "+44 161 496 0###", "+44 131 496 0###", "+44 29 2018 0###", "+44 121 496 0###"],
    // The mobile range kept for drama, 07700 900, fails libphonenumber; fixed lines stand in for
    // it.
    mobiles: &["+44 113 496 0###", "+44 141 496 0###", "+44 28 9649 6###"],
    iban: ("GB", "TEST000000########"),
    // QQ is the prefix of specimens.
    national_id: ("NINO", "QQ ## ## ## C"),
    language: "en-GB",
    currency: ("GBP", 85),
    timezone: ("+0:00", "Western Europe Time, London, Lisbon, Casablanca"),
    corner: (510_000, -30_000),
    size: (60_000, 30_000),
};
