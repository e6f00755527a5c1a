//! The event of kind `Account`: a snapshot of a customer's account, about 600 bytes.

use super::{
    device::{ACCOUNT_DEVICES, DEVICES, put_ip},
    draw::Draw,
    envelope::{Envelope, put_account_subject, put_email},
    fault::Defect,
    note::put_note,
    person::Person,
    text::{put, put_hundredths},
};

/// Appends an event without a line feed. Returns true if its note holds personal data.
pub(super) fn put_account(out: &mut Vec<u8>, envelope: &Envelope, person: &Person, draw: &mut Draw) -> bool {
    let defect = envelope.defect;
    envelope.put_head(out);
    put_account_subject(out, person, defect);
    if envelope.deleted {
        envelope.put_consent(out);
        envelope.put_tail(out);
        return false;
    }
    put(out, ",\"name\":\"");
    person.put_name(out);
    put(out, "\",");
    put_email(out, person, defect);
    put(out, ",\"phone\":");
    if person.has_phone {
        out.push(b'"');
        person.put_mobile(out, person.phone_blanks());
        out.push(b'"');
    } else {
        put(out, "null");
    }
    put(out, ",\"ip\":\"");
    put_ip(out, draw);
    put(out, "\",\"user_agent\":\"");
    // A field that the example does not declare, as there is one in every real stream.
    put(out, DEVICES[draw.below(ACCOUNT_DEVICES) as usize].user_agent);
    put(out, "\",\"address\":");
    if defect == Some(Defect::TextAsObject) {
        put(out, "\"see above\"");
    } else {
        put(out, "{\"street\":\"");
        person.put_street(out);
        put(out, "\",\"city\":\"");
        put(out, person.town.name);
        put(out, "\",\"postcode\":\"");
        person.put_postcode(out);
        put(out, "\",\"country\":\"");
        put(out, person.locale.code);
        put(out, "\"}");
    }
    put(out, ",\"birth_date\":\"");
    if defect == Some(Defect::MonthImpossible) {
        put(out, "1984-31-02");
    } else {
        person.born.put(out);
    }
    put(out, "\",\"national_id\":\"");
    person.put_national_id(out);
    let standing = person.standing(envelope.elapsed);
    put(out, "\",\"tier\":\"");
    put(out, if defect == Some(Defect::UnknownWord) { "unobtainium" } else { standing.tier });
    put(out, "\",\"lifetime_value\":");
    if defect == Some(Defect::NumberAsText) {
        put(out, "\"about 1.200,-\"");
    } else {
        put_hundredths(out, standing.lifetime_hundredths);
    }
    put(out, ",\"plan\":\"");
    put(out, standing.plan);
    out.push(b'"');
    envelope.put_consent(out);
    let mut personal = false;
    if defect == Some(Defect::TextTooLong) {
        put(out, ",\"note\":\"");
        for _ in 0..300 {
            put(out, "and so on, ");
        }
        out.push(b'"');
    } else if !draw.one_in(8) {
        put(out, ",\"note\":\"");
        personal = put_note(out, person, draw);
        out.push(b'"');
    }
    envelope.put_tail(out);
    personal
}
