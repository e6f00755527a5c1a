//! The event of kind `RandomUser`: a result of randomuser.me under `user`, about 1,300 bytes.
//! Same members, same nesting, other people.

use super::{
    draw::Draw,
    envelope::{Envelope, put_email},
    fault::Defect,
    person::Person,
    text::{Day, put, put_digits, put_hex, put_number, put_time, put_uuid},
};

/// 2025-12-31T00:00:00Z in milliseconds: accounts were opened up to then.
const LAST_OPENED: u64 = 1_767_139_200_000;

/// Appends an event without a line feed.
pub(super) fn put_random_user(out: &mut Vec<u8>, envelope: &Envelope, person: &Person, draw: &mut Draw) {
    let defect = envelope.defect;
    envelope.put_head(out);
    envelope.put_consent(out);
    put(out, ",\"user\":{");
    if envelope.deleted {
        put_login(out, person, defect, None);
        out.push(b'}');
        envelope.put_tail(out);
        return;
    }
    put(out, "\"gender\":\"");
    put(out, if defect == Some(Defect::UnknownWord) { "unobtainium" } else { gender(person) });
    put(out, "\",\"name\":{\"title\":\"");
    put(out, if person.woman { "Ms" } else { "Mr" });
    put(out, "\",\"first\":\"");
    put(out, person.first());
    put(out, "\",\"last\":\"");
    if defect == Some(Defect::TextTooLong) {
        for _ in 0..100 {
            put(out, "von und zu ");
        }
    }
    put(out, person.last());
    put(out, "\"},\"location\":");
    put_location(out, person, defect);
    out.push(b',');
    put_email(out, person, defect);
    out.push(b',');
    put_login(out, person, defect, Some(draw));
    let today = Day::of(envelope.time);
    put(out, ",\"dob\":{\"date\":\"");
    if defect == Some(Defect::MonthImpossible) {
        put(out, "1984-31-02");
    } else {
        person.born.put(out);
    }
    put_time_of_day(out, person.born_millis);
    put(out, "\",\"age\":");
    if defect == Some(Defect::NumberAsText) {
        put(out, "\"about forty\"");
    } else {
        put_number(out, person.born.years_until(today));
    }
    let opened = LAST_OPENED - person.member_days * 86_400_000 + person.born_millis;
    put(out, "},\"registered\":{\"date\":\"");
    put_time(out, opened);
    put(out, "\",\"age\":");
    put_number(out, Day::of(opened).years_until(today));
    put(out, "},\"phone\":\"");
    person.put_phone(out);
    put(out, "\",\"cell\":");
    if person.has_phone {
        out.push(b'"');
        person.put_mobile(out, person.phone_blanks());
        out.push(b'"');
    } else {
        put(out, "null");
    }
    put(out, ",\"id\":{\"name\":\"");
    put(out, person.locale.national_id.0);
    put(out, "\",\"value\":\"");
    person.put_national_id(out);
    put(out, "\"},\"picture\":{");
    put_portrait(out, person, "\"large\":\"https://example.com/portraits/");
    put_portrait(out, person, ",\"medium\":\"https://example.com/portraits/med/");
    put_portrait(out, person, ",\"thumbnail\":\"https://example.com/portraits/thumb/");
    put(out, "},\"nat\":\"");
    put(out, person.locale.code);
    put(out, "\"}");
    envelope.put_tail(out);
}

fn gender(person: &Person) -> &'static str {
    if person.woman { "female" } else { "male" }
}

fn put_location(out: &mut Vec<u8>, person: &Person, defect: Option<Defect>) {
    if defect == Some(Defect::TextAsObject) {
        put(out, "\"somewhere\"");
        return;
    }
    put(out, "{\"street\":{\"number\":");
    put_number(out, person.house);
    put(out, ",\"name\":\"");
    put(out, person.street());
    put(out, "\"},\"city\":\"");
    put(out, person.town.name);
    put(out, "\",\"state\":\"");
    put(out, person.town.state);
    put(out, "\",\"country\":\"");
    put(out, person.locale.country);
    put(out, "\",\"postcode\":");
    // The service writes a number where the postcode is one, a trap that is worth keeping.
    let numeric = person.locale.postcode == "#####" && person.bits.is_multiple_of(2);
    if numeric {
        put_number(out, 10_000 + person.bits % 90_000);
    } else {
        out.push(b'"');
        person.put_postcode(out);
        out.push(b'"');
    }
    put(out, ",\"coordinates\":{\"latitude\":\"");
    put_degrees(out, person.place.0);
    put(out, "\",\"longitude\":\"");
    put_degrees(out, person.place.1);
    put(out, "\"},\"timezone\":{\"offset\":\"");
    put(out, person.locale.timezone.0);
    put(out, "\",\"description\":\"");
    put(out, person.locale.timezone.1);
    put(out, "\"}}");
}

/// The password and its hashes are there as in the original, and new in every event: an undeclared
/// field must not come through.
fn put_login(out: &mut Vec<u8>, person: &Person, defect: Option<Defect>, secrets: Option<&mut Draw>) {
    put(out, "\"login\":{");
    if defect != Some(Defect::NoSubject) {
        let list = defect == Some(Defect::SubjectIsList);
        put(out, if list { "\"uuid\":[\"" } else { "\"uuid\":\"" });
        put_uuid(out, person.uuid.0, person.uuid.1);
        put(out, if list { "\"]" } else { "\"" });
    }
    if let Some(draw) = secrets {
        put(out, if defect == Some(Defect::NoSubject) { "\"username\":\"" } else { ",\"username\":\"" });
        person.put_username(out);
        put(out, "\",\"password\":\"swordfish");
        put_digits(out, draw.bits(), 4);
        put(out, "\",\"salt\":\"");
        put_hex(out, draw.bits(), 8);
        put(out, "\",\"md5\":\"");
        for _ in 0..2 {
            put_hex(out, draw.bits(), 16);
        }
        put(out, "\",\"sha256\":\"");
        for _ in 0..4 {
            put_hex(out, draw.bits(), 16);
        }
        out.push(b'"');
    }
    out.push(b'}');
}

/// Appends ten-thousandths of a degree: -123456 becomes `-12.3456`.
fn put_degrees(out: &mut Vec<u8>, degrees: i64) {
    if degrees < 0 {
        out.push(b'-');
    }
    let size = degrees.unsigned_abs();
    put_number(out, size / 10_000);
    out.push(b'.');
    put_digits(out, size % 10_000, 4);
}

/// Appends the part of a time after its date: `T07:04:05.678Z`.
fn put_time_of_day(out: &mut Vec<u8>, millis: u64) {
    let start = out.len();
    put_time(out, millis);
    out.drain(start..start + "1970-01-01".len());
}

fn put_portrait(out: &mut Vec<u8>, person: &Person, address: &str) {
    put(out, address);
    put(out, if person.woman { "women/" } else { "men/" });
    put_number(out, person.portrait);
    put(out, ".jpg\"");
}
