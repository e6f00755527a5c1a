//! Free text: what people type into a field that was meant for something else.

use super::{
    draw::Draw,
    numbers::{Blanks, CARDS, put_iban, put_order, put_pattern},
    person::Person,
    shop::{PRODUCTS, Product},
    text::put,
};

/// A part of a note. Texts are JSON already, escapes included.
enum Part {
    Text(&'static str),
    Name,
    Email,
    Phone,
    Card,
    Iban,
    Order,
}
use Part::{Card, Email, Iban, Name, Order, Phone, Text};

/// Notes with something in them that must not be there.
const PERSONAL: [&[Part]; 16] = [
    &[Text("Please write to "), Email, Text(" instead of calling.")],
    &[Text("Customer asks for a call back on "), Phone, Text(" after 6 pm, order "), Order, Text(".")],
    &[Text("Paid with "), Card, Text(", wants the money back.")],
    &[Text("Refund to "), Iban, Text(" agreed with "), Name, Text(".")],
    &[Text("Kunde bittet um Rückruf: "), Phone, Text(" (nur vormittags).")],
    &[Text("Gutschrift bitte auf "), Iban, Text(", Inhaber "), Name, Text(".")],
    &[Text("Écrire à "), Email, Text(" ; la carte "), Card, Text(" a été refusée.")],
    &[Text("Remboursement sur "), Iban, Text(" avant vendredi.")],
    &[Text("Proszę o kontakt: "), Email, Text(", tel. "), Phone, Text(".")],
    &[Text("Ring "), Phone, Text(" – dörrkoden fungerar inte.")],
    &[Text("Επικοινωνία στο "), Email, Text(" για την παραγγελία "), Order, Text(".")],
    &[Text("請求先を "), Email, Text(" に変更してください。")],
    &[Text("Wrote: \\\"my card "), Card, Text(" was charged twice\\\".")],
    &[Text("Two contacts:\\n- "), Email, Text("\\n- "), Phone, Text("\\nPrefers the first.")],
    &[Text("<"), Email, Text(">,"), Phone, Text(";"), Iban],
    &[Text("caf\\u00e9 voucher sent to "), Email, Text("\\u2026 \\ud83d\\ude42")],
];

/// Notes with nothing personal in them, though some look like it.
const PLAIN: [&[Part]; 12] = [
    &[Text("Parcel "), Order, Text(" left at the door.")],
    &[Text("Asked about delivery times; sent the link to the help page.")],
    &[Text("Ordered 2 x 1.5 kg on 2025-11-03, 10:30-12:00 delivery slot.")],
    &[Text("Wants version 10.2.3.4-rc of the app; has 9.8.")],
    &[Text("Kundin wünscht Lieferung erst ab 14 Uhr.")],
    &[Text("A demandé un échange (taille 38 → 40), bon "), Order, Text(".")],
    &[Text("Zwrot przyjęty, zamówienie "), Order, Text(".")],
    &[Text("Voucher 1234 5678 9012 3456 has expired.")],
    &[Text("Said: \\\"it's fine\\\", no follow-up.")],
    &[Text("Mentions us @example on the forum; likes the new plan.")],
    &[Text("Räkning skickad, betalas inom 30 dagar.")],
    &[Text("お届けは午後を希望。")],
];

/// Appends a note as the inside of a JSON string. Returns true if it holds personal data: one in
/// three does.
pub(super) fn put_note(out: &mut Vec<u8>, person: &Person, draw: &mut Draw) -> bool {
    let personal = draw.one_in(3);
    let parts = if personal { *draw.pick(&PERSONAL) } else { *draw.pick(&PLAIN) };
    put_parts(out, parts, person, draw.bits());
    personal
}

/// Searches that hold personal data. No text needs an escape.
const PERSONAL_SEARCHES: [&[Part]; 8] = [
    &[Email],
    &[Text("order of "), Email],
    &[Text("newsletter abbestellen "), Email],
    &[Text("login "), Email],
    &[Phone],
    &[Text("rückruf "), Phone],
    &[Text("delivery call "), Phone],
    &[Text("suivi de colis "), Phone],
];

/// Searches without personal data that are not for a product.
const PLAIN_SEARCHES: [&[Part]; 8] = [
    &[Text("returns")],
    &[Text("gift card")],
    &[Text("größentabelle")],
    &[Text("frais de port")],
    &[Text("godziny otwarcia")],
    &[Text("order "), Order],
    &[Text("返品")],
    &[Text("@example sale")],
];

/// Appends a search text as the inside of a JSON string without escapes. Returns true if it holds
/// personal data: one in 24 does.
pub(super) fn put_search(out: &mut Vec<u8>, person: &Person, draw: &mut Draw) -> bool {
    let chance = draw.below(24);
    match chance {
        0 => put_parts(out, draw.pick::<&[Part]>(&PERSONAL_SEARCHES), person, draw.bits()),
        1..5 => put_parts(out, draw.pick::<&[Part]>(&PLAIN_SEARCHES), person, draw.bits()),
        _ => Product(draw.below(PRODUCTS)).put_kind(out),
    }
    chance == 0
}

fn put_parts(out: &mut Vec<u8>, parts: &[Part], person: &Person, bits: u64) {
    let blanks = if bits & 1 == 0 { Blanks::Keep } else { Blanks::Omit };
    for part in parts {
        match part {
            Text(text) => put(out, text),
            Name => person.put_name(out),
            Email => person.put_email(out),
            Phone => person.put_mobile(out, blanks),
            Card => put_pattern(out, CARDS[(bits >> 8) as usize % CARDS.len()], 0, blanks),
            Iban => put_iban(out, person.locale.iban.0, person.locale.iban.1, person.bits, blanks),
            Order => put_order(out, bits >> 16),
        }
    }
}
