//! The event of kind `Clickstream`: one step of a visit to a shop, about 800 bytes.

use super::{
    device::put_ip_of,
    draw::Draw,
    envelope::{Envelope, put_account_subject, put_email},
    fault::Defect,
    note::put_search,
    person::Person,
    text::{put, put_digits, put_number, put_uuid},
    visit::{Action, Place, Visit},
};

const SHOP: &str = "https://shop.example.com";

/// What can be clicked on.
const TARGETS: [&str; 8] = ["image-2", "image-3", "size-guide", "reviews", "wishlist", "filter", "sort", "newsletter"];

/// Appends an event that deletes the profile.
pub(super) fn put_click_deletion(out: &mut Vec<u8>, envelope: &Envelope, person: &Person) {
    envelope.put_head(out);
    put_account_subject(out, person, None);
    envelope.put_consent(out);
    envelope.put_tail(out);
}

/// Appends the last step of a visit without a line feed. Returns true if the search text holds
/// personal data.
pub(super) fn put_click(out: &mut Vec<u8>, envelope: &Envelope, visit: &Visit, draw: &mut Draw) -> bool {
    let defect = envelope.defect;
    let visitor = &visit.visitor;
    envelope.put_head(out);
    put_account_subject(out, visitor, defect);
    put(out, ",\"session_id\":\"");
    put_uuid(out, visit.id.0, visit.id.1);
    put(out, "\",\"step\":");
    if defect == Some(Defect::NumberAsText) {
        put(out, "\"3 or so\"");
    } else {
        put_number(out, visit.step);
    }
    put(out, ",\"event\":\"");
    put(out, if defect == Some(Defect::UnknownWord) { "levitate" } else { visit.action.name() });
    out.push(b'"');
    put_form(out, visit, defect);
    if let Some((product, quantity)) = visit.about {
        put(out, ",\"product\":{");
        product.put_members(out, visitor.locale);
        put(out, ",\"quantity\":");
        put_number(out, quantity);
        out.push(b'}');
    }
    let mut searched = None;
    let mut personal = false;
    match visit.action {
        _ if defect == Some(Defect::TextTooLong) => {
            put(out, ",\"search\":{\"text\":\"");
            for _ in 0..300 {
                put(out, "towel, ");
            }
            put(out, "\"}");
        }
        Action::Search => {
            put(out, ",\"search\":{\"text\":\"");
            let start = out.len();
            personal = put_search(out, visitor, draw);
            searched = Some(start..out.len());
            put(out, "\",\"results\":");
            put_number(out, draw.below(60));
            out.push(b'}');
        }
        Action::Click => {
            put(out, ",\"target\":\"");
            put(out, draw.text(&TARGETS));
            out.push(b'"');
        }
        Action::Purchase => put_order(out, visit, draw),
        Action::PageView
        | Action::AddToCart
        | Action::RemoveFromCart
        | Action::Checkout
        | Action::Signup
        | Action::Login
        | Action::Logout => {}
    }
    put(out, ",\"page\":");
    if defect == Some(Defect::TextAsObject) {
        put(out, "\"see above\"");
    } else {
        put(out, "{\"url\":\"");
        put(out, SHOP);
        put_path(out, visit.place);
        if let Some(text) = searched {
            put(out, "?q=");
            for at in text {
                put_encoded(out, out[at]);
            }
        } else if visit.before.is_none() {
            put(out, visit.origin.campaign);
        }
        put(out, "\",\"path\":\"");
        put_path(out, visit.place);
        put(out, "\",\"referrer\":\"");
        match visit.before {
            Some(place) => {
                put(out, SHOP);
                put_path(out, place);
            }
            None => put(out, visit.origin.referrer),
        }
        put(out, "\"}");
    }
    put(out, ",\"device\":{\"kind\":\"");
    put(out, visit.device.kind);
    put(out, "\",\"user_agent\":\"");
    put(out, visit.device.user_agent);
    put(out, "\",\"language\":\"");
    put(out, visitor.locale.language);
    put(out, "\",\"screen\":\"");
    put(out, visit.device.screen);
    put(out, "\"},\"ip\":\"");
    put_ip_of(out, visit.address);
    out.push(b'"');
    envelope.put_consent(out);
    envelope.put_tail(out);
    personal
}

/// Appends what the visitor typed into a form: a signup asks for more than a login.
fn put_form(out: &mut Vec<u8>, visit: &Visit, defect: Option<Defect>) {
    let wrong_email = matches!(defect, Some(Defect::EmailIsNumber | Defect::EmailWithoutAt));
    if wrong_email || matches!(visit.action, Action::Signup | Action::Login | Action::Purchase) {
        out.push(b',');
        put_email(out, &visit.visitor, defect);
    }
    if visit.action == Action::Signup {
        put(out, ",\"name\":\"");
        visit.visitor.put_name(out);
        out.push(b'"');
    }
    if defect == Some(Defect::MonthImpossible) {
        put(out, ",\"birth_date\":\"1984-31-02\"");
    } else if visit.action == Action::Signup {
        put(out, ",\"birth_date\":\"");
        visit.visitor.born.put(out);
        out.push(b'"');
    }
}

/// Appends what was bought. Amounts are whole numbers of minor units: cents, grosze, yen.
fn put_order(out: &mut Vec<u8>, visit: &Visit, draw: &mut Draw) {
    let locale = visit.visitor.locale;
    put(out, ",\"order\":{\"id\":\"o-");
    put_digits(out, draw.bits(), 9);
    put(out, "\",\"currency\":\"");
    put(out, locale.currency.0);
    put(out, "\",\"items\":[");
    let mut amount = 0;
    for (at, (product, quantity)) in visit.cart.lines().iter().enumerate() {
        put(out, if at == 0 { "{\"id\":\"" } else { ",{\"id\":\"" });
        product.put_id(out);
        put(out, "\",\"quantity\":");
        put_number(out, *quantity);
        put(out, ",\"price\":");
        put_number(out, product.price(locale));
        out.push(b'}');
        amount += product.price(locale) * quantity;
    }
    put(out, "],\"amount\":");
    put_number(out, amount);
    out.push(b'}');
}

fn put_path(out: &mut Vec<u8>, place: Place) {
    match place {
        Place::Home => put(out, "/"),
        Place::Category(product) => {
            put(out, "/c/");
            put(out, product.category());
        }
        Place::Product(product) => {
            put(out, "/p/");
            product.put_id(out);
        }
        Place::Results => put(out, "/search"),
        Place::Cart => put(out, "/cart"),
        Place::Checkout => put(out, "/checkout"),
        Place::Thanks => put(out, "/thank-you"),
        Place::Account => put(out, "/account"),
    }
}

/// Appends a byte of a text, encoded for the query of a URL (RFC 3986).
fn put_encoded(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
        b' ' => out.push(b'+'),
        _ => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
    }
}
