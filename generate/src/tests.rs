//! What a generated stream promises.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use lethe_crds::profile_pipeline::ProfilePipelineSpec;
use serde_json::Value;

use super::*;

/// All lines of a stream without their line feeds, and their summary.
fn lines(options: GenerateOptions) -> (Vec<Vec<u8>>, Summary) {
    let mut generator = Generator::new(options).unwrap();
    let mut out = Vec::new();
    while generator.next_into(&mut out) {}
    assert_eq!(out.pop(), Some(b'\n'));
    (out.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(), generator.summary())
}

/// Every sort of line at once.
fn mixed(kind: Kind, count: u64) -> GenerateOptions {
    GenerateOptions {
        duplicates: 0.05,
        invalid: 0.1,
        not_json: 0.1,
        no_consent: 0.1,
        late: 0.1,
        deletes: 0.05,
        subjects: 500,
        ..GenerateOptions::new(kind, count)
    }
}

/// FNV-1a of 64 bits: enough to notice a change, and nothing that could change itself.
fn fingerprint(lines: &[Vec<u8>]) -> u64 {
    lines
        .iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The schema of an example: the one that the generated events keep or break.
fn example_schema(file: &str) -> jsonschema::Validator {
    let path = format!("{}/../examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    let pipeline = documents
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .find(|object: &Value| object["kind"] == "ProfilePipeline")
        .unwrap();
    let spec: ProfilePipelineSpec = serde_json::from_value(pipeline["spec"].clone()).unwrap();
    let schema: Value = serde_json::from_str(&spec.event.schema.unwrap().inline.unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Account, "laptop/pipeline.yaml"),
    (Kind::RandomUser, "randomuser/pipeline.yaml"),
    (Kind::Clickstream, "clickstream/pipeline.yaml"),
];

#[test]
fn the_first_thousand_lines_are_the_same_in_every_version() {
    let print = |kind| fingerprint(&lines(mixed(kind, 1_000)).0);
    assert_eq!(
        [print(Kind::Account), print(Kind::RandomUser), print(Kind::Clickstream)],
        [1_772_776_410_029_077_691, 6_870_234_968_483_608_582, 9_203_343_793_020_116_248]
    );
}

#[test]
fn another_seed_gives_other_lines_and_a_longer_stream_begins_with_the_shorter() {
    for (kind, _) in KINDS {
        let (short, _) = lines(mixed(kind, 100));
        let (long, _) = lines(mixed(kind, 200));
        let (other, _) = lines(GenerateOptions { seed: 2, ..mixed(kind, 100) });
        assert_eq!(short, long[..100]);
        assert_ne!(short, other);
    }
}

#[test]
fn an_empty_stream_has_no_line() {
    let mut generator = Generator::new(GenerateOptions::new(Kind::Account, 0)).unwrap();
    let mut out = Vec::new();
    assert!(!generator.next_into(&mut out));
    assert!(out.is_empty());
    assert_eq!(generator.summary(), Summary::default());
}

#[test]
fn every_sort_is_as_frequent_as_asked_for_and_they_add_up() {
    let (all, summary) = lines(mixed(Kind::Account, 50_000));
    assert_eq!(all.len() as u64, summary.lines);
    let sorts = [
        (summary.duplicates, 2_500),
        (summary.invalid, 5_000),
        (summary.not_json, 5_000),
        (summary.no_consent, 5_000),
        (summary.late, 5_000),
        (summary.deletes, 2_500),
        (summary.events, 25_000),
    ];
    assert_eq!(sorts.iter().map(|(seen, _)| seen).sum::<u64>(), summary.lines);
    for (seen, wanted) in sorts {
        assert!(seen.abs_diff(wanted) * 10 < wanted, "{seen} instead of about {wanted}");
    }
}

#[test]
fn a_rate_of_one_leaves_no_other_line() {
    let all = |options: GenerateOptions| lines(options).1;
    let plain = GenerateOptions::new(Kind::Account, 100);
    assert_eq!(all(GenerateOptions { invalid: 1.0, ..plain.clone() }).invalid, 100);
    assert_eq!(all(GenerateOptions { deletes: 1.0, ..plain.clone() }).deletes, 100);
    assert_eq!(all(plain.clone()).events, 100);
    // The first has nothing to repeat.
    let summary = all(GenerateOptions { duplicates: 1.0, ..plain });
    assert_eq!((summary.events, summary.duplicates), (1, 99));
}

#[test]
fn the_summary_can_be_counted_again_from_the_lines() {
    for (kind, file) in KINDS {
        let schema = example_schema(file);
        let (all, summary) = lines(mixed(kind, 20_000));
        let mut counted = Summary { lines: all.len() as u64, ..Summary::default() };
        let mut ids = BTreeSet::new();
        let mut newest = "";
        let values: Vec<Option<Value>> = all.iter().map(|line| serde_json::from_slice(line).ok()).collect();
        for value in &values {
            let Some(value) = value else {
                counted.not_json += 1;
                continue;
            };
            if !schema.is_valid(value) {
                counted.invalid += 1;
            } else if value["deleted"] == true {
                counted.deletes += 1;
            } else if value["consent"]["marketing"] != true {
                counted.no_consent += 1;
            } else if !ids.insert(value["event_id"].as_str().unwrap()) {
                counted.duplicates += 1;
            } else {
                let time = value["timestamp"].as_str().unwrap();
                if time < newest {
                    counted.late += 1;
                } else {
                    newest = time;
                    counted.events += 1;
                }
            }
        }
        assert_eq!(Summary { personal_notes: summary.personal_notes, ..counted }, summary, "{kind:?}");
    }
}

#[test]
fn every_defect_breaks_the_schema_and_every_damage_the_json() {
    for (kind, file) in KINDS {
        let schema = example_schema(file);
        let mut generator = Generator::new(GenerateOptions::new(kind, 10_000)).unwrap();
        for _ in 0..50 {
            for defect in Defect::ALL {
                let mut out = Vec::new();
                generator.put_event(&mut out, generator.time, Consent::Given, Some(defect));
                let value: Value = serde_json::from_slice(&out).unwrap();
                assert!(!schema.is_valid(&value), "{kind:?} {defect:?} {value}");
            }
            for damage in Damage::ALL {
                let mut out = b"before".to_vec();
                generator.put_event(&mut out, generator.time, Consent::Given, None);
                damage.apply(&mut out, 6, &mut generator.draw);
                let line = out.strip_prefix(b"before").unwrap();
                assert!(!line.is_empty() && !line.contains(&b'\n') && !line.contains(&b'\r'), "{damage:?}");
                assert!(serde_json::from_slice::<Value>(line).is_err(), "{kind:?} {damage:?}");
            }
            generator.summary.lines += 1;
        }
    }
}

#[test]
fn a_duplicate_is_the_same_bytes_as_a_recent_plain_event() {
    let (all, summary) = lines(GenerateOptions { duplicates: 0.3, ..GenerateOptions::new(Kind::Account, 5_000) });
    let mut plain: Vec<&Vec<u8>> = Vec::new();
    let mut repeated = 0;
    for line in &all {
        if plain.iter().rev().take(recent::RECENT).any(|recent| recent == &line) {
            repeated += 1;
        } else {
            plain.push(line);
        }
    }
    assert_eq!(repeated, summary.duplicates);
    assert_eq!(plain.len() as u64, summary.events);
}

#[test]
fn a_deletion_holds_nothing_personal_but_the_id() {
    for kind in [Kind::Account, Kind::Clickstream] {
        let (all, _) = lines(GenerateOptions { deletes: 1.0, ..GenerateOptions::new(kind, 100) });
        for line in all {
            let value: Value = serde_json::from_slice(&line).unwrap();
            let mut keys: Vec<&String> = value.as_object().unwrap().keys().collect();
            keys.sort();
            assert_eq!(keys, ["consent", "deleted", "event_id", "timestamp", "user_id"]);
        }
    }
}

#[test]
fn a_subject_is_the_same_person_in_each_of_its_events_while_its_standing_moves_on() {
    let options = GenerateOptions { subjects: 40, ..GenerateOptions::new(Kind::Account, 20_000) };
    let (all, _) = lines(options.clone());
    let mut fixed: BTreeMap<String, Value> = BTreeMap::new();
    let mut spent: BTreeMap<String, f64> = BTreeMap::new();
    let mut moved = 0;
    for line in &all {
        let mut value: Value = serde_json::from_slice(line).unwrap();
        let id = value["user_id"].as_str().unwrap().to_owned();
        let now = value["lifetime_value"].as_f64().unwrap();
        let before = spent.insert(id.clone(), now).unwrap_or(now);
        assert!(now >= before, "{id}");
        moved += u64::from(now > before);
        for changing in ["event_id", "timestamp", "ip", "user_agent", "tier", "lifetime_value", "plan", "note"] {
            value.as_object_mut().unwrap().remove(changing);
        }
        assert_eq!(fixed.entry(id).or_insert_with(|| value.clone()), &value);
    }
    assert_eq!(fixed.len(), 40);
    assert!(moved > 1_000, "{moved}");
    let generator = Generator::new(options).unwrap();
    for (number, (id, value)) in fixed.iter().enumerate() {
        let known = generator.identifiers(number as u64);
        assert_eq!((&known.id, known.email.as_str()), (id, value["email"].as_str().unwrap()));
    }
}

#[test]
fn a_random_user_is_found_by_its_identifiers() {
    let options = GenerateOptions { subjects: 1, ..GenerateOptions::new(Kind::RandomUser, 1) };
    let (all, _) = lines(options.clone());
    let value: Value = serde_json::from_slice(&all[0]).unwrap();
    let known = Generator::new(options).unwrap().identifiers(0);
    assert_eq!(value["user"]["login"]["uuid"], known.id.as_str());
    assert_eq!(value["user"]["email"], known.email.as_str());
}

#[test]
fn addresses_and_numbers_reach_no_real_person() {
    let phones = |value: &Value| -> Vec<String> {
        [&value["phone"], &value["user"]["phone"], &value["user"]["cell"]]
            .into_iter()
            .filter_map(|phone| phone.as_str().map(str::to_owned))
            .collect()
    };
    for (kind, _) in KINDS {
        let (all, _) = lines(GenerateOptions { subjects: 3_000, ..GenerateOptions::new(kind, 3_000) });
        let mut seen = 0;
        for line in &all {
            let value: Value = serde_json::from_slice(line).unwrap();
            if let Some(email) = value.get("email").unwrap_or(&value["user"]["email"]).as_str() {
                let (user, domain) = email.split_once('@').unwrap();
                assert!(user.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'), "{email}");
                assert!(
                    ["example.com", "example.org", "example.net"].contains(&domain.to_lowercase().as_str()),
                    "{email}"
                );
            }
            for phone in phones(&value) {
                let number = phonenumber::parse(None, &phone).unwrap();
                assert!(number.is_valid(), "{phone}");
                seen += 1;
            }
            if let Some(ip) = value["ip"].as_str() {
                let parsed: std::net::IpAddr = ip.parse().unwrap();
                assert_eq!(parsed.to_string(), ip, "canonical form");
                let documentation = match parsed {
                    std::net::IpAddr::V4(v4) => v4.is_documentation(),
                    std::net::IpAddr::V6(v6) => v6.segments()[..2] == [0x2001, 0xdb8],
                };
                assert!(documentation, "{ip}");
            }
        }
        assert!(seen > 2_500 || kind == Kind::Clickstream, "{seen}");
    }
}

#[test]
fn notes_hold_what_the_summary_counts() {
    let (all, summary) = lines(GenerateOptions::new(Kind::Account, 5_000));
    let personal = all
        .iter()
        .map(|line| serde_json::from_slice::<Value>(line).unwrap())
        .filter_map(|value| value["note"].as_str().map(str::to_owned))
        .filter(|note| {
            let email = ["@example.", "@EXAMPLE."].iter().any(|mark| note.contains(mark));
            let phone = note.contains('+');
            let compact = note.replace(' ', "");
            let card = numbers::CARDS.iter().any(|card| compact.contains(&card.replace(' ', "")));
            let iban = locale::LOCALES.iter().any(|locale| {
                let zeros = locale.iban.1.trim_end_matches('#');
                compact.match_indices(zeros).any(|(at, _)| compact[..at].ends_with(|c: char| c.is_ascii_digit()))
            });
            email || phone || card || iban
        })
        .count();
    assert_eq!(personal as u64, summary.personal_notes);
    // A third of the seven in eight that have a note.
    assert!((1_250..1_670).contains(&personal), "{personal}");
}

#[test]
fn an_account_event_is_about_600_bytes_long() {
    let (all, _) = lines(GenerateOptions::new(Kind::Account, 5_000));
    let mean = all.iter().map(Vec::len).sum::<usize>() / all.len();
    assert!((520..680).contains(&mean), "{mean}");
}

/// Every plain event of a clickstream, by its visit.
fn visits_of(count: u64) -> BTreeMap<String, Vec<Value>> {
    let (all, _) = lines(GenerateOptions { subjects: 1_000, ..GenerateOptions::new(Kind::Clickstream, count) });
    let mut visits: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in all {
        let value: Value = serde_json::from_slice(&line).unwrap();
        visits.entry(value["session_id"].as_str().unwrap().to_owned()).or_default().push(value);
    }
    visits
}

#[test]
fn a_visit_is_of_one_visitor_on_one_device_and_begins_with_a_page() {
    let visits = visits_of(60_000);
    let mut actions: BTreeMap<String, u32> = BTreeMap::new();
    for steps in visits.values() {
        assert_eq!(steps[0]["event"], "page_view");
        for (at, step) in steps.iter().enumerate() {
            assert_eq!(step["step"], at as u64 + 1);
            for same in ["user_id", "device", "ip"] {
                assert_eq!(step[same], steps[0][same]);
            }
            *actions.entry(step["event"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        for pair in steps.windows(2) {
            let from_shop = pair[1]["page"]["referrer"].as_str().unwrap().starts_with("https://shop.example.com/");
            assert!(from_shop || pair[1]["page"]["path"] == pair[0]["page"]["path"], "{pair:?}");
        }
    }
    assert_eq!(actions.len(), 10, "{actions:?}");
    assert!(actions.values().all(|count| *count > 200), "{actions:?}");
    let mean = 60_000 / visits.len();
    assert!((4..15).contains(&mean), "{mean} steps a visit");
}

#[test]
fn what_is_bought_was_put_into_the_cart_and_costs_the_sum_of_it_in_whole_minor_units() {
    let mut orders = 0;
    for steps in visits_of(60_000).values() {
        let mut cart: BTreeMap<&str, u64> = BTreeMap::new();
        for step in steps {
            let product = || (step["product"]["id"].as_str().unwrap(), step["product"]["quantity"].as_u64().unwrap());
            match step["event"].as_str().unwrap() {
                "add_to_cart" => {
                    let (id, quantity) = product();
                    *cart.entry(id).or_default() += quantity;
                }
                "remove_from_cart" => {
                    let (id, quantity) = product();
                    assert_eq!(cart.remove(id), Some(quantity));
                }
                "purchase" => {
                    let order = &step["order"];
                    let items = order["items"].as_array().unwrap();
                    let bought: BTreeMap<&str, u64> = items
                        .iter()
                        .map(|item| (item["id"].as_str().unwrap(), item["quantity"].as_u64().unwrap()))
                        .collect();
                    assert_eq!(bought, std::mem::take(&mut cart));
                    let sum: u64 = items
                        .iter()
                        .map(|item| item["quantity"].as_u64().unwrap() * item["price"].as_u64().unwrap())
                        .sum();
                    assert_eq!(order["amount"].as_u64(), Some(sum));
                    orders += 1;
                }
                _ => {}
            }
        }
    }
    assert!(orders > 500, "{orders}");
}

#[test]
fn a_search_is_in_the_url_as_a_browser_writes_it_and_the_summary_counts_what_it_gives_away() {
    let options = GenerateOptions { no_consent: 0.3, ..GenerateOptions::new(Kind::Clickstream, 30_000) };
    let (all, summary) = lines(options);
    let mut personal = 0;
    for line in &all {
        let value: Value = serde_json::from_slice(line).unwrap();
        let Some(text) = value["search"]["text"].as_str() else { continue };
        let url = value["page"]["url"].as_str().unwrap();
        let query = url.strip_prefix("https://shop.example.com/search?q=").unwrap();
        let mut decoded = Vec::new();
        let mut rest = query.as_bytes();
        while let [first, others @ ..] = rest {
            rest = others;
            if *first == b'%' {
                decoded.push(u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap());
                rest = &rest[2..];
            } else {
                decoded.push(if *first == b'+' { b' ' } else { *first });
            }
        }
        assert_eq!(String::from_utf8(decoded).unwrap(), text);
        let email = ["@example.", "@EXAMPLE."].iter().any(|mark| text.contains(mark));
        personal += u64::from(email || text.contains('+'));
    }
    assert_eq!(personal, summary.personal_notes);
    assert!(personal > 50, "{personal}");
}

#[test]
fn a_record_is_a_line_with_the_key_of_its_subject() {
    for (kind, _) in KINDS {
        let options = mixed(kind, 3_000);
        let (all, _) = lines(options.clone());
        let generator = Generator::new(options.clone()).unwrap();
        let ids: BTreeSet<String> = (0..options.subjects).map(|number| generator.identifiers(number).id).collect();
        let mut generator = Generator::new(options).unwrap();
        let mut record = Record::default();
        let mut before = 0;
        let mut keys = BTreeMap::new();
        for line in &all {
            assert!(generator.next_record(&mut record));
            assert!(&record.value == line && record.timestamp >= before);
            before = record.timestamp;
            let key = String::from_utf8(record.key.clone()).unwrap();
            assert!(ids.contains(&key), "{key}");
            if let Ok(value) = serde_json::from_slice::<Value>(line) {
                assert_eq!(record.deleted, value["deleted"] == true);
                let id = value["user_id"].as_str().or_else(|| value["user"]["login"]["uuid"].as_str());
                assert!(id.is_none_or(|id| id == key));
                // A repetition goes where the event went.
                assert_eq!(keys.entry(line.clone()).or_insert_with(|| key.clone()), &key);
            }
        }
        assert!(!generator.next_record(&mut record));
    }
}

#[test]
fn memory_does_not_grow_with_the_stream() {
    for (kind, count) in [(Kind::RandomUser, 30_000), (Kind::Clickstream, 200_000)] {
        let options = GenerateOptions { subjects: u64::MAX, duplicates: 0.2, ..GenerateOptions::new(kind, count) };
        let mut generator = Generator::new(options).unwrap();
        let mut out = Vec::new();
        let mut longest = 0;
        while generator.next_into(&mut out) {
            longest = longest.max(out.len());
            out.clear();
        }
        // All that a generator owns on the heap is its recent lines and the visits that go on.
        assert!(generator.recent.bytes() <= recent::RECENT * (longest + 64) * 2);
        assert!(generator.visits.bytes() <= 2 * 1024 * 1024, "{}", generator.visits.bytes());
    }
}
