//! What the words before a number reveal about it.

/// What the words before a number reveal about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Nothing.
    Unknown,
    /// A phone number.
    Phone,
    /// A number of an order, an invoice, a parcel.
    Reference,
    /// A version, a chapter.
    Version,
}

/// Words without a meaning of their own: the word before them decides.
const PASSED_OVER: &[&str] = &[
    "a", "al", "am", "at", "au", "auf", "de", "der", "die", "en", "for", "is", "ist", "le", "me", "mich", "my", "n",
    "no", "nr", "num", "number", "numero", "nummer", "numéro", "nº", "número", "of", "on", "the", "to", "under",
    "unter", "us", "was", "with",
];

const PHONE: &[&str] = &[
    "anruf",
    "anrufen",
    "appelez",
    "bel",
    "call",
    "cel",
    "cell",
    "celular",
    "chiama",
    "chiamami",
    "dial",
    "fax",
    "gsm",
    "handy",
    "handynummer",
    "hotline",
    "llama",
    "llamar",
    "llámame",
    "mobil",
    "mobile",
    "mobilnummer",
    "mobiltelefon",
    "movil",
    "móvil",
    "natel",
    "phone",
    "portable",
    "puh",
    "puhelin",
    "rappeler",
    "rappelez",
    "ring",
    "rufnummer",
    "rückruf",
    "sms",
    "tel",
    "telefon",
    "telefone",
    "telefonnr",
    "telefonnummer",
    "telefono",
    "telephone",
    "teléfono",
    "tfn",
    "tlf",
    "tlfn",
    "téléphone",
    "whatsapp",
    "zurückrufen",
    "手机",
    "电话",
    "電話",
];

const REFERENCE: &[&str] = &[
    "account",
    "aktenzeichen",
    "art",
    "article",
    "artikel",
    "artikelnummer",
    "auftrag",
    "auftragsnummer",
    "batch",
    "bestellnr",
    "bestellnummer",
    "bestellung",
    "bic",
    "blz",
    "booking",
    "bug",
    "case",
    "charge",
    "code",
    "commande",
    "contract",
    "customer",
    "ean",
    "factura",
    "facture",
    "fall",
    "fallnummer",
    "fattura",
    "gtin",
    "iban",
    "id",
    "imei",
    "invoice",
    "isbn",
    "issue",
    "item",
    "konto",
    "kontonummer",
    "kunde",
    "kundennr",
    "kundennummer",
    "lieferschein",
    "lieferscheinnummer",
    "lot",
    "matricule",
    "order",
    "ordine",
    "paket",
    "parcel",
    "part",
    "pedido",
    "po",
    "policy",
    "rechnung",
    "rechnungsnr",
    "rechnungsnummer",
    "ref",
    "reference",
    "referenz",
    "sendung",
    "sendungsnummer",
    "serial",
    "seriennummer",
    "shipment",
    "sku",
    "ticket",
    "tracking",
    "transaction",
    "upc",
    "vertrag",
    "vertragsnummer",
    "vin",
    "vorgang",
    "vorgangsnummer",
    "zaehlernummer",
    "zeichen",
    "zählernummer",
];

const VERSION: &[&str] = &[
    "abschnitt",
    "build",
    "chapter",
    "clause",
    "driver",
    "figure",
    "firmware",
    "kapitel",
    "oid",
    "release",
    "rev",
    "revision",
    "section",
    "v",
    "ver",
    "version",
    "§",
];

/// Returns what the words before a position reveal: the last word that is not passed over decides.
pub(super) fn words_before(text: &str, at: usize) -> Context {
    let mut rest = &text[..at];
    for _ in 0..5 {
        let marks =
            rest.len() - rest.trim_end_matches([' ', '\u{a0}', ':', '.', '#', '-', '=', '(', '+', '"', '\'']).len();
        // Too far away, or in another clause.
        if marks > 4 {
            return Context::Unknown;
        }
        rest = &rest[..rest.len() - marks];
        let start = rest
            .char_indices()
            .rev()
            .take_while(|(_, c)| c.is_alphabetic() || matches!(c, '§' | 'º'))
            .take(20)
            .last()
            .map_or(rest.len(), |(start, _)| start);
        let word = &rest[start..];
        if word.is_empty() {
            return Context::Unknown;
        }
        let is_one_of = |words: &[&str]| words.iter().any(|known| same(known, word));
        if is_one_of(PHONE) {
            return Context::Phone;
        } else if is_one_of(REFERENCE) {
            return Context::Reference;
        } else if is_one_of(VERSION) {
            return Context::Version;
        } else if !is_one_of(PASSED_OVER) {
            return Context::Unknown;
        }
        rest = &rest[..start];
    }
    Context::Unknown
}

/// Compares a word with one of the lists, which are in lower case.
fn same(known: &str, word: &str) -> bool {
    if word.is_ascii() {
        return known.eq_ignore_ascii_case(word);
    }
    known.len() == word.len() && known.chars().eq(word.chars().flat_map(char::to_lowercase))
}
