//! Japan. No range is kept for drama: phone numbers are those of countries that have one.

use super::{Locale, Word, town, word};

const SURNAMES: &[Word] = &[
    word("佐藤", "sato"),
    word("鈴木", "suzuki"),
    word("高橋", "takahashi"),
    word("渡邊", "watanabe"),
    word("小林", "kobayashi"),
    // A character outside of the basic plane: four bytes of UTF-8, two units of UTF-16.
    word("𠮷田", "yoshida"),
];

pub(super) const JAPAN: Locale = Locale {
    code: "JP",
    country: "Japan",
    women: &[
        word("結衣", "yui"),
        word("さくら", "sakura"),
        word("美咲", "misaki"),
        word("陽子", "yoko"),
        word("あかり", "akari"),
    ],
    men: &[
        word("翔太", "shota"),
        word("健一", "kenichi"),
        word("大輔", "daisuke"),
        word("蓮", "ren"),
        word("ひろし", "hiroshi"),
    ],
    surnames_of_women: SURNAMES,
    surnames_of_men: SURNAMES,
    surname_first: true,
    streets: &["青鷺通り", "月見坂", "桜貝町", "北風小路"],
    number_first: false,
    towns: &[town("新白鷺市", "長野県"), town("東雲ヶ原町", "岡山県"), town("みなと霞市", "静岡県")],
    postcode: "###-####",
    phones: &["+44 161 496 0###", "+1 415 555 01##"],
    mobiles: &["+1 720 555 01##", "+1 505 555 01##"],
    // No IBAN there: an account abroad.
    iban: ("GB", "TEST000000########"),
    national_id: ("個人番号", "0000 #### ####"),
    language: "ja-JP",
    currency: ("JPY", 160),
    timezone: ("+9:00", "Tokyo, Seoul, Osaka, Sapporo, Yakutsk"),
    corner: (340_000, 1_350_000),
    size: (40_000, 50_000),
};
