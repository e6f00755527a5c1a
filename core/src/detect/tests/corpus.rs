//! Texts that hold personal data, and texts that look as if they did: precision and recall of each
//! kind.
//!
//! `⟦kind|value⟧` marks what a reader would call personal data of that kind. All of it is invented
//! or reserved for documentation.

#![allow(clippy::unwrap_used)]

use crate::detect::*;

const POSITIVES: &[&str] = &[
    // E-mail.
    "Please write to ⟦email|anna.muster@example.com⟧.",
    "<⟦email|anna+news@example.co.uk⟧>",
    "mailto:⟦email|o'brien@example.ie⟧",
    "Contact=⟦email|a@b.io⟧; thanks",
    "https://example.com/?email=⟦email|bob@example.org⟧&x=1",
    "联系⟦email|wang@例子.中国⟧。",
    "Meine Adresse: ⟦email|jürgen@müller.de⟧!",
    "⟦email|BOB_99@EXAMPLE.MUSEUM⟧ (privat)",
    "邮箱：⟦email|li.lei@example.cn⟧谢谢",
    "('⟦email|x@xn--bcher-kva.example⟧')",
    "from ⟦email|1234567890@qq.com⟧ and ⟦email|first.last@sub.domain.example⟧",
    "**⟦email|user%tag@example.net⟧**",
    "returned to ⟦email|bounce+anna=example.org@list.example⟧",
    // Phone, with a country code.
    "Ruf an: ⟦phone|+49 30 901820⟧.",
    "⟦phone|+49 (0)30 901820-12⟧, Büro",
    "mob ⟦phone|+491712345678⟧",
    "⟦phone|0049 171 2345678⟧ abends",
    "⟦phone|+1 (415) 555-2671⟧",
    "⟦phone|+1-415-555-2671⟧ ext 4",
    "⟦phone|+44 20 7946 0958⟧ or ⟦phone|+44 7700 900123⟧",
    "⟦phone|+33 6 12 34 56 78⟧",
    "⟦phone|+39 06 698 12345⟧ Roma",
    "⟦phone|(+34) 612 34 56 78⟧",
    "⟦phone|+353 1 234 5678⟧",
    "⟦phone|+55 11 91234-5678⟧ whatsapp",
    "⟦phone|+91 98765 43210⟧",
    "⟦phone|+86 138 0013 8000⟧",
    "⟦phone|+81-90-1234-5678⟧",
    "⟦phone|+971 50 123 4567⟧",
    "⟦phone|011 44 20 7946 0958⟧ from the US",
    // Phone, national.
    "Tel. ⟦phone|030 901820⟧ oder ⟦phone|0171/2345678⟧",
    "⟦phone|(030) 90 18 20 0⟧",
    "⟦phone|089-1234567⟧ nachmittags",
    "Handy ⟦phone|01712345678⟧",
    "meine Nummer ist ⟦phone|0176 1234 5678⟧ danke",
    "⟦phone|06 12 34 56 78⟧, appelez-moi",
    "⟦phone|06.12.34.56.78⟧",
    "⟦phone|0612345678⟧ merci",
    "call ⟦phone|(415) 555-2671⟧",
    "⟦phone|415-555-2671⟧ after 5",
    "⟦phone|415.555.2671⟧",
    "⟦phone|1-800-555-0199⟧ toll free",
    "ring ⟦phone|020 7946 0958⟧",
    "⟦phone|07700 900123⟧ please",
    "⟦phone|06-12345678⟧ Utrecht",
    "⟦phone|079 123 45 67⟧",
    "llámame al ⟦phone|612 34 56 78⟧",
    "tel: ⟦phone|612345678⟧",
    "móvil ⟦phone|612 345 678⟧",
    "⟦phone|(11) 91234-5678⟧",
    "⟦phone|090-1234-5678⟧ 電話",
    "手机⟦phone|13800138000⟧",
    "⟦phone|8 (912) 345-67-89⟧",
    "my cell is ⟦phone|4155552671⟧",
    "⟦phone|0412 345 678⟧ Sydney",
    "⟦phone|020 7946 0958⟧ / ⟦phone|020 7946 0959⟧",
    "⟦phone|+49-171-2345678⟧/⟦phone|+49-172-2345679⟧",
    "geb. 01.02.1984, Tel ⟦phone|0151-12345678⟧, 10115 Berlin",
    "⟦phone|212 555 0187⟧ or ⟦phone|(212)555-0187⟧ x12",
    "Bitte zurückrufen: ⟦phone|0 30 / 90 18 20⟧",
    "Tlf. ⟦phone|91 23 45 67⟧",
    "⟦phone|(+49) 171 / 23 45 67 8⟧ or ⟦phone|+380 44 123 45 67⟧",
    "price 1.299.000,00 and ⟦phone|0800 123 4567⟧",
    "Tel:⟦phone|+49(30)901820⟧",
    // Characters that nobody sees.
    "mail \u{200f}⟦email|ada@example.com⟧",
    "mail ⟦email|ada@exam\u{ad}ple.com⟧",
    "⟦email|ada\u{200b}@example.com⟧\u{200b}",
    "card ⟦card|4111\u{200b}1111\u{200b}1111\u{200b}1111⟧",
    "call \u{202a}⟦phone|+44 20 7946 0042⟧\u{202c} \u{1f600}",
    "auf \u{feff}⟦iban|DE89\u{2060}3704 0044 0532 0130 00⟧",
    // Full-width and other digits, blanks and marks.
    "card ⟦card|４１１１ １１１１ １１１１ １１１１⟧",
    "mail ⟦email|ａｄａ@example.com⟧ or ⟦email|ada＠example.com⟧",
    "هاتف: ⟦phone|+٤٤٢٠٧٩٤٦٠٠٤٢⟧",
    "電話　⟦phone|０９０－１２３４－５６７８⟧ まで",
    "from ⟦ipv4|１９２．０．２．７７⟧",
    "⟦card|4111–1111–1111–1111⟧, ⟦card|4111/1111/1111/1111⟧, ⟦card|4111  1111  1111  1111⟧",
    "⟦card|4111\u{2212}1111\u{2212}1111\u{2212}1111⟧ ⟦iban|GB82  WEST  1234  5698  7654  32⟧",
    "paid with ⟦card|4111 1111 1111 1111⟧² by card",
    // Card.
    "paid with ⟦card|4111 1111 1111 1111⟧",
    "⟦card|5555-5555-5555-4444⟧ exp 12/29",
    "amex ⟦card|3782 822463 10005⟧",
    "⟦card|378282246310005⟧",
    "Karte: ⟦card|4012888888881881⟧.",
    "⟦card|6011 1111 1111 1117⟧ cvv 123",
    "⟦card|3530 1113 3330 0000⟧",
    "⟦card|2223 0031 2200 3222⟧",
    "diners ⟦card|3056 930902 5904⟧",
    "order 20 ⟦card|4111111111111111⟧",
    // IBAN.
    "IBAN: ⟦iban|DE89 3704 0044 0532 0130 00⟧",
    "⟦iban|DE89370400440532013000⟧ bitte",
    "auf ⟦iban|de89 3704 0044 0532 0130 00⟧, danke",
    "⟦iban|GB82 WEST 1234 5698 7654 32⟧",
    "⟦iban|FR14 2004 1010 0505 0001 3M02 606⟧",
    "⟦iban|NL91ABNA0417164300⟧",
    "⟦iban|CH93 0076 2011 6238 5295 7⟧ (UBS)",
    "⟦iban|NO93 8601 1117 947⟧",
    "⟦iban|ES91-2100-0418-4502-0005-1332⟧",
    // IPv4.
    "login from ⟦ipv4|192.0.2.77⟧.",
    "http://⟦ipv4|198.51.100.4⟧:8080/x",
    "[⟦ipv4|203.0.113.255⟧]",
    "ip=⟦ipv4|10.0.0.1⟧,ok",
    "net ⟦ipv4|192.168.0.0⟧/16",
    "client ⟦ipv4|8.8.8.8⟧ blocked",
    // IPv6.
    "from ⟦ipv6|2001:db8::1⟧.",
    "[⟦ipv6|2001:db8:85a3::8a2e:370:7334⟧]:443",
    "addr:⟦ipv6|fe80::1ff:fe23:4567:890a⟧%eth0",
    "loopback ⟦ipv6|::1⟧ only",
    "⟦ipv6|::ffff:192.0.2.128⟧ mapped",
    "IPv6:⟦ipv6|2001:DB8:0:0:8:800:200C:417A⟧: seen",
    "⟦ipv6|dead:beef::cafe⟧",
];

const NEGATIVES: &[&str] = &[
    "Delivered on 2026-11-02.",
    "am 02.11.2026 um 09:00 Uhr",
    "02/11/2026 0900 1234",
    "from 01.02.2026 to 28.02.2026",
    "2026-11-02T09:00:00.123Z",
    "2026-11-02 09:00:00",
    "20261102090000",
    "1793610000",
    "1793610000123",
    "order 0123456789 shipped",
    "Order no. 030 1234567",
    "Bestellnummer: 0171 2345678",
    "Rechnung Nr. 030-1234567",
    "invoice #415-555-2671",
    "ticket 4155552671",
    "ID 0612345678",
    "ORD-0301234567-A",
    "000123456789",
    "order number 1234 5678 9012",
    "550e8400-e29b-41d4-a716-446655440000",
    "550e8400-e29b-4111-1111-111111111111",
    "d41d8cd98f00b204e9800998ecf8427e",
    "0x0171234567",
    "1 299,00 €",
    "EUR 12.345.678,90",
    "$1,234,567.89",
    "612 345 678 EUR",
    "€ 0171 2345678",
    "Umsatz 1 234 567 890",
    "0.1234567890",
    "52.520008, 13.404954",
    "+5 000 000 people",
    "+12.5 % on 1000000",
    "3 + 4 = 7",
    "ISBN 978-3-16-148410-0",
    "EAN 4006381333931",
    "4006381333931",
    "UPC 012345678905",
    "012345678905",
    "4111 1111 1111 1112",
    "1234 5678 9012 3456",
    "9999999999999999",
    "0000 0000 0000 0000",
    "IMEI 490154203237518",
    "tracking 1Z999AA10123456784",
    "DE89 3704 0044 0532 0130 01",
    "XX89 3704 0044 0532 0130 00",
    "DE89",
    "FR 2004 1010 0505",
    "version 1.2.3.4 is out",
    "v1.2.3.4",
    "release 10.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "10.0.19041.1",
    "256.1.1.1",
    "see section 4.3.2.1",
    "Kapitel 1.2.3.4",
    "10:30:45",
    "00:1a:2b:3c:4d:5e",
    "00:11:22:33:44:55:66:77",
    "std::vector and a::b",
    "bad::face",
    "::",
    "ratio 1::2",
    "note: at 5: come",
    "12:34:56:78",
    "@anna on twitter",
    "anna@home",
    "react@18.2.0-rc.one",
    "logo@2x.png",
    "@types/node",
    "a @ b.de",
    "foo@.com",
    "3 kg @ 2.50",
    "1 2 3 4 5 6 7 8 9 10 11 12",
    "12-34-56-78-90",
    "6 aus 49: 03 11 19 28 37 44",
    "Zimmer 101, 102, 103, 104",
    "123-45-6789",
    "PLZ 10115 Berlin, 80331 München",
    "1990-2026",
    "2024/2025 season 0012",
    "/orders/0301234567/items",
    "A4-0171-2345678",
    "Lieferschein 0815 4711 0042, 12.50 EUR",
    "Konto 0532013000 BLZ 37040044",
    "Ihr Zeichen 2026/0301/1234567",
    "Fall-Nr. 0171-2345678",
    "meeting 14:00-15:30 room 0412 on 3/4/2026",
    "arn:aws:iam::123456789012:user/bob",
    "score 100-200-3000",
    "anna (at) example.org, anna@example,org",
    "2 x 0,75 l 06 12 2026 0800",
    "+4917123456789012345",
];

fn name(kind: DetectKind) -> &'static str {
    placeholder(kind).trim_matches(['[', ']'])
}

/// Returns the text without its marks, and the marked findings.
fn read(marked: &str) -> (String, Vec<Finding>) {
    let kinds =
        [DetectKind::Email, DetectKind::Phone, DetectKind::Card, DetectKind::Iban, DetectKind::Ipv4, DetectKind::Ipv6];
    let (mut text, mut expected) = (String::new(), Vec::new());
    for (part, piece) in marked.split(['⟦', '⟧']).enumerate() {
        if part % 2 == 0 {
            text.push_str(piece);
        } else {
            let (kind, value) = piece.split_once('|').unwrap();
            let kind = kinds.into_iter().find(|known| name(*known) == kind).unwrap();
            expected.push(Finding { kind, range: text.len()..text.len() + value.len() });
            text.push_str(value);
        }
    }
    (text, expected)
}

#[test]
fn each_kind_reaches_its_precision_and_recall() {
    assert!(POSITIVES.len() >= 60 && NEGATIVES.len() >= 60);
    let detector = Detector::new(&[]);
    let mut found = Vec::new();
    let mut mistakes = Vec::new();
    let mut counts = std::collections::BTreeMap::<&str, [f64; 3]>::new();
    for marked in POSITIVES.iter().chain(NEGATIVES) {
        let (text, expected) = read(marked);
        detector.find(&text, &mut found);
        for finding in &found {
            let right = expected.contains(finding);
            counts.entry(name(finding.kind)).or_default()[usize::from(!right)] += 1.0;
            if !right {
                mistakes.push(("false", finding.kind, text[finding.range.clone()].to_owned(), text.clone()));
            }
        }
        for missed in expected.iter().filter(|wanted| !found.contains(wanted)) {
            counts.entry(name(missed.kind)).or_default()[2] += 1.0;
            mistakes.push(("missed", missed.kind, text[missed.range.clone()].to_owned(), text.clone()));
        }
    }
    assert_eq!(counts.len(), 6);
    for (kind, [right, wrong, missed]) in counts {
        let (precision, recall) = (right / (right + wrong), right / (right + missed));
        assert!(
            precision >= 0.97 && recall >= 0.97,
            "{kind}: precision {precision:.2}, recall {recall:.2}\n{mistakes:#?}"
        );
    }
}
