//! Pipelines on data from elsewhere: the passengers of the Titanic, and 50,000 profiles by Faker.
//! Every row has an outcome, every value is compared with its row, and the figures in the docs are
//! right.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use rusqlite::Connection;
use serde_json::Value;

use crate::dump;
use lethe_tests::{
    folder::{Folder, repository},
    process::finish_within,
};

/// Downloads a data set, unless the cache has it. Returns its folder.
fn fetch(name: &str) -> PathBuf {
    let script = repository().join("tests/real_data/fetch.sh");
    let ended = finish_within(Command::new("sh").arg(script).arg(name).stdin(Stdio::null()), Duration::from_secs(600));
    PathBuf::from(ended.success().out().trim_end())
}

/// Creates a folder with an example and these files of the cache.
fn folder_with(example: &str, data: &str, files: &[&str]) -> Folder {
    let cache = fetch(data);
    let folder = Folder::of_example(example);
    for file in files {
        symlink(cache.join(file), folder.file(file)).unwrap();
    }
    folder
}

/// Fails the test unless the docs contain these sentences.
#[track_caller]
fn check_docs(claims: &[String]) {
    let mut text = String::new();
    for file in fs::read_dir(repository().join("docs")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for claim in claims {
        assert!(text.contains(claim), "docs/ does not contain {claim:?}, which is true of the data");
    }
}

/// Formats a number as the docs do: 48,533.
fn number(count: usize) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
}

/// Returns the range of a value among ascending bounds.
fn range(value: f64, bounds: &[i32]) -> String {
    let above = bounds.iter().filter(|bound| value >= f64::from(**bound)).count();
    match above {
        0 => format!("<{}", bounds[0]),
        n if n == bounds.len() => format!(">={}", bounds[n - 1]),
        n if bounds[n] - bounds[n - 1] == 1 => bounds[n - 1].to_string(),
        n => format!("{}-{}", bounds[n - 1], bounds[n] - 1),
    }
}

const TITANIC: [&str; 2] = ["titanic_test.csv", "titanic_train.csv"];

/// A passenger: cells by header.
type Passenger = HashMap<String, String>;

fn passengers(folder: &Folder) -> Vec<Passenger> {
    // A pattern finds files in the order of their names.
    let files = TITANIC.iter().map(|file| csv::Reader::from_path(folder.file(file)).unwrap());
    files.flat_map(|mut file| file.deserialize().map(Result::unwrap).collect::<Vec<Passenger>>()).collect()
}

#[test]
fn every_passenger_of_the_titanic_has_an_outcome() {
    let folder = folder_with("people-csv", "titanic", &TITANIC);
    let passengers = passengers(&folder);
    let counts = folder.counts(&[]);
    assert_eq!((counts.events(), passengers.len()), (891, 891));
    assert_eq!(counts.seen("passengers"), "delivered 891");
    assert_eq!(counts.seen("survival"), "delivered 891");

    let float = |passenger: &Passenger, key: &str| passenger[key].parse::<f64>().unwrap();
    let written = String::from_utf8(folder.read("survival.ndjson")).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), passengers.len());
    for (line, passenger) in lines.iter().zip(&passengers) {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        assert_eq!(text("fare"), range(float(passenger, "Fare"), &[1, 10, 25, 50, 100, 250]));
        assert_eq!(text("age"), range(float(passenger, "Age"), &[0, 1, 5, 13, 18, 30, 45, 60]));
        assert_eq!(text("siblings_spouses"), range(float(passenger, "No_of_siblings_plus_spouses_on_board"), &[1, 3]));
        assert_eq!(text("parents_children"), range(float(passenger, "No_of_parents_plus_children_on_board"), &[1, 3]));
        assert_eq!(text("female"), if passenger["Sex_female"] == "1" { "female" } else { "male" });
        assert_eq!(line["class"].to_string(), passenger["PassengerClass"]);
        assert_eq!(line["survived"].to_string(), passenger["Survival"]);
        assert_eq!(line.get("name"), None);
    }
    assert_eq!(lines.iter().map(|line| line["subject_ref"].as_str().unwrap()).collect::<BTreeSet<_>>().len(), 891);
    assert_no_name_is_left(&folder, &passengers);

    // A second read of the same files changes nothing.
    let before = dump::dump(&folder.database());
    assert_eq!(folder.counts(&["--from-start"]).seen("passengers"), "stale 891");
    dump::assert_same(&before, &dump::dump(&folder.database()));
    assert!(folder.read("survival.ndjson") == written.as_bytes());
    println!("real data: 891 passengers, 891 delivered to each of 2 sinks");
}

/// Checks that no passenger's name was written.
fn assert_no_name_is_left(folder: &Folder, passengers: &[Passenger]) {
    let database = folder.database();
    let log = database.with_extension("sqlite-wal");
    let bytes = [database, log, folder.file("survival.ndjson")].map(|file| {
        let bytes = fs::read(file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    for passenger in passengers {
        assert!(bytes.iter().all(|bytes| !bytes.contains(passenger["Name"].trim())), "{}", passenger["Name"]);
    }
}

#[test]
fn the_docs_are_right_about_the_titanic() {
    let folder = folder_with("people-csv", "titanic", &TITANIC);
    let passengers = passengers(&folder);
    let count = |is: &dyn Fn(&Passenger) -> bool| passengers.iter().filter(|passenger| is(passenger)).count();
    let named = |is: &dyn Fn(&str) -> bool| count(&|passenger| is(&passenger["Name"]));
    assert_eq!(passengers.iter().map(|passenger| &passenger["Name"]).collect::<BTreeSet<_>>().len(), 891);
    assert_eq!(named(&|name| name.contains(',')), 891);
    assert_eq!(named(&|name| name.is_ascii()), 891);
    let fares: Vec<f64> = passengers.iter().map(|passenger| passenger["Fare"].parse().unwrap()).collect();
    let highest = fares.iter().copied().fold(0.0, f64::max);
    let whole = |age: &str| age.parse::<f64>().unwrap().fract() == 0.0;
    check_docs(&[
        format!("All {} differ", passengers.len()),
        format!("{} hold double quotes", named(&|name| name.contains('"'))),
        format!("{} hold brackets", named(&|name| name.contains('('))),
        format!("{} end in a blank", named(&|name| name.ends_with(' '))),
        format!("{} ages are `-999.0`", count(&|passenger| passenger["Age"] == "-999.0")),
        format!("{} decks are `Deck_Unkown`", count(&|passenger| passenger["Deck_Unkown"] == "1")),
        format!("{} are no whole number", count(&|passenger| !whole(&passenger["Age"]))),
        format!("{} fares are `0.0`", fares.iter().filter(|fare| **fare == 0.0).count()),
        format!(
            "{highest}, was paid for {} persons",
            fares.iter().filter(|fare| fare.total_cmp(&highest).is_eq()).count()
        ),
    ]);
}

const FAKER: &str = "faker_profiles.ndjson";

fn profiles(folder: &Folder) -> Vec<Value> {
    let text = String::from_utf8(folder.read(FAKER)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn agreed(profile: &Value) -> bool {
    profile["consent"]["marketing"] == Value::Bool(true)
}

#[test]
fn every_profile_of_faker_has_an_outcome() {
    let folder = folder_with("faker", "faker", &[FAKER]);
    let profiles = profiles(&folder);
    let counts = folder.counts(&[]);
    let agreed: Vec<&Value> = profiles.iter().filter(|profile| agreed(profile)).collect();
    assert_eq!((counts.events(), profiles.len()), (50_000, 50_000));
    for sink in ["people", "clean"] {
        assert_eq!(counts.seen(sink), format!("delivered {}, denied {}", agreed.len(), profiles.len() - agreed.len()));
    }

    let written = String::from_utf8(folder.read("faker_clean.ndjson")).unwrap();
    let mut lines = written.lines();
    let mut jobs: BTreeMap<String, String> = BTreeMap::new();
    for profile in &agreed {
        let line: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(line["event_time"], format!("{}:00:00Z", &profile["timestamp"].as_str().unwrap()[..13]));
        assert_eq!(line["country"], profile["country"]);
        assert_eq!(line["postcode"], profile["postcode"].as_str().unwrap().chars().take(2).collect::<String>());
        assert_eq!(line["birth_date"], profile["birth_date"].as_str().unwrap()[..4]);
        assert_eq!(line["balance"], range(profile["balance"].as_f64().unwrap(), &[0, 1000, 5000, 10000]));
        assert_eq!(line["ip"], network(profile["ip"].as_str().unwrap()));
        assert_eq!(line["user_id"], line["subject_ref"]);
        // Jobs and pseudonyms correspond one to one.
        let job = profile["job"].as_str().unwrap().to_owned();
        assert_eq!(*jobs.entry(line["job"].to_string()).or_insert_with(|| job.clone()), job);
        for gone in ["name", "email", "phone", "address", "national_id", "iban", "card", "note", "company"] {
            assert_eq!(line.get(gone), None);
        }
    }
    assert_eq!(lines.next(), None);
    assert_eq!(jobs.len(), agreed.iter().map(|profile| profile["job"].as_str()).collect::<BTreeSet<_>>().len());
    check_table(&dump::open(&folder.database()), &agreed);
    println!("real data: 50,000 profiles, {} delivered to each of 2 sinks", agreed.len());
}

/// Returns the first 16 bits of an IPv4 address, or the first 32 of an IPv6 address.
fn network(address: &str) -> String {
    match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            format!("{first}.{second}.0.0/16")
        }
        std::net::IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            format!("{}/32", std::net::Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0))
        }
    }
}

fn check_table(connection: &Connection, agreed: &[&Value]) {
    let wanted: HashMap<&str, &Value> =
        agreed.iter().map(|profile| (profile["event_id"].as_str().unwrap(), *profile)).collect();
    let mut statement = connection.prepare("SELECT event_id, document FROM people").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = 0;
    let mut notes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    while let Some(row) = rows.next().unwrap() {
        let (id, text): (String, String) = (row.get(0).unwrap(), row.get(1).unwrap());
        let (profile, document) = (wanted[id.as_str()], serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(document["country"], profile["country"]);
        assert_eq!(document["company"], "[employer]");
        let phone = profile["phone"].as_str().unwrap().trim();
        let shown = document["phone"].as_str().unwrap();
        assert!(shown.starts_with('*') && shown.chars().count() == phone.chars().count(), "{shown}");
        assert!(shown.ends_with(&phone[phone.len() - 2..]), "{shown}");
        for sealed in ["name", "email", "address", "national_id", "iban", "card"] {
            assert!(document[sealed].is_string() && document[sealed] != profile[sealed], "{sealed} of {id}");
        }
        let (before, after) = (profile["note"].as_str().unwrap(), document["note"].as_str().unwrap());
        for kind in ["email", "iban", "card", "phone"] {
            let value = profile[kind].as_str().unwrap();
            if before.contains(value) {
                let (found, all) = notes.entry(kind).or_insert((0, 0));
                *found += usize::from(!after.contains(value));
                *all += 1;
            }
        }
        found += 1;
    }
    assert_eq!(found, agreed.len());
    // All values with check digits are detected. The docs have the share of the others.
    let [email, iban, card, phone] = ["email", "iban", "card", "phone"].map(|kind| notes[kind]);
    assert_eq!((email.0, iban.0), (email.1, iban.1));
    check_docs(&[format!(
        "all {} e-mail addresses and all {} IBANs, {} of {} card numbers and {} of {} phone numbers",
        number(email.1),
        number(iban.1),
        number(card.0),
        number(card.1),
        number(phone.0),
        number(phone.1)
    )]);
    let letters: i64 = connection.query_row("SELECT count(*) FROM lethe_dead_letter", [], |row| row.get(0)).unwrap();
    assert_eq!(letters, 0);
}

#[test]
fn the_docs_are_right_about_faker() {
    let folder = folder_with("faker", "faker", &[FAKER]);
    let profiles = profiles(&folder);
    let text = |profile: &Value, key: &str| profile[key].as_str().unwrap().to_owned();
    let count = |is: &dyn Fn(&Value) -> bool| profiles.iter().filter(|profile| is(profile)).count();
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    for profile in &profiles {
        *owners.entry(text(profile, "email")).or_default() += 1;
    }
    let shared = number(owners.values().filter(|owners| **owners > 1).count());
    assert_eq!(owners.values().max(), Some(&5));
    let names: BTreeSet<String> = profiles.iter().map(|profile| text(profile, "name")).collect();
    let bytes = fs::metadata(folder.file(FAKER)).unwrap().len() as f64 / profiles.len() as f64;
    check_docs(&[
        format!("{} profiles, {bytes:.0} bytes on average", number(profiles.len())),
        format!("{shared} of {} belong to several profiles, one of them to five", number(owners.len())),
        format!("{} names for {} people", number(names.len()), number(profiles.len())),
        format!("{} balances are negative", number(count(&|profile| profile["balance"].as_f64().unwrap() < 0.0))),
        format!("{} people did not consent", number(count(&|profile| !agreed(profile)))),
    ]);
    let manifest = fs::read_to_string(folder.file("pipeline.yaml")).unwrap();
    assert!(manifest.contains(&format!("{shared} addresses")));
}
