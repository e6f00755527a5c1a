//! The data about one person can be revealed with the keys and a recorded ground.

use lethe_stores::embedded::EmbeddedStore;
use serde_json::Value;

use crate::fixture::{PipelineFixture, event, ring};

async fn fixture() -> PipelineFixture {
    let fixture = PipelineFixture::new();
    fixture.feed(&[event("e-1", "u-1", 1), event("e-2", "u-2", 2), event("e-3", "u-1", 3)]);
    fixture.run().await;
    fixture
}

fn audit(fixture: &PipelineFixture) -> Vec<Value> {
    let sql = fixture.sql();
    let mut statement = sql.prepare("SELECT line FROM lethe_audit ORDER BY seq").unwrap();
    let lines = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn answer(fixture: &PipelineFixture, arguments: &[&str], input: &str) -> Value {
    let output = fixture.program(&[&["--output", "json", "reveal", "--ground", "ticket 7"], arguments].concat(), input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_one_person_alone_are_opened() {
    let fixture = fixture().await;
    let answer = answer(&fixture, &["-"], "u-1\n");
    let document = &answer["sinks"][0]["records"][0]["document"];
    assert_eq!(document["name"], "Name of u-1");
    assert_eq!(document["email"], "u-1@example.com");
    assert_eq!(document["tags"], serde_json::json!(["a u-1", "b u-1"]));
    assert_eq!(answer["sinks"][0]["records"].as_array().unwrap().len(), 1);
    assert_eq!(answer["sinks"][1]["records"].as_array().unwrap().len(), 2);
    assert!(!answer.to_string().contains("u-2"));
    let not_searched = answer["notSearched"].to_string();
    assert!(not_searched.contains("the sink clean") && not_searched.contains("the dead letter"), "{not_searched}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listing_is_readable() {
    let fixture = fixture().await;
    let output = fixture.program(&["reveal", "--ground", "ticket 7", "u-1"], "");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["profiles: 1 record (Operational", "history: 2 records", "/tags/0", "\"Name of u-1\"", "not searched"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_leads_to_its_subject() {
    let fixture = fixture().await;
    let by_alias = answer(&fixture, &["--alias", "email", "-"], " U-1@Example.com\n");
    assert_eq!(by_alias["subject"], answer(&fixture, &["u-1"], "")["subject"]);
    let output = fixture.program(&["reveal", "--ground", "t", "--alias", "phone", "1"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("it declares: email"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_of_several_subjects_is_refused() {
    let fixture = fixture().await;
    fixture.feed(&[event("e-9", "u-9", 9).replace("u-9@", "u-1@")]);
    fixture.run().await;
    let output = fixture.program(&["reveal", "--ground", "t", "--alias", "email", "u-1@example.com"], "");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("2 subjects") && !error.contains("example.com"), "{error}");
    assert_eq!(audit(&fixture)[0]["subjects"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_person_differs_from_one_without_data() {
    let fixture = fixture().await;
    for arguments in [&["u-404"][..], &["--alias", "email", "u-404@example.com"]] {
        let output = fixture.program(&[&["reveal", "--ground", "t"], arguments].concat(), "");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("nothing is known") && !error.contains("404"), "{error}");
    }
    fixture.sql().execute_batch("DELETE FROM profiles; DELETE FROM history").unwrap();
    assert_eq!(answer(&fixture, &["u-1"], "")["sinks"][0]["records"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reveal_leaves_an_audit_line_without_a_clear_value() {
    let fixture = fixture().await;
    let subject = answer(&fixture, &["u-1"], "")["subject"].clone();
    let lines = audit(&fixture);
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!((&line["act"], &line["ground"], &line["records"]), (&"reveal".into(), &"ticket 7".into(), &3.into()));
    assert_eq!((&line["subject"], &line["pipeline"]), (&subject, &"default/profiles".into()));
    assert!(line["at"].as_str().unwrap().ends_with('Z'));
    assert!(!line.to_string().contains("u-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_when_the_audit_record_can_not_be_written() {
    let fixture = fixture().await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON lethe_audit BEGIN SELECT RAISE(ABORT, 'no'); END";
    fixture.sql().execute_batch(refuse).unwrap();
    let output = fixture.program(&["reveal", "--ground", "t", "u-1"], "");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ground_is_needed() {
    let fixture = fixture().await;
    for arguments in [&["reveal", "u-1"][..], &["reveal", "--ground", " ", "u-1"]] {
        assert_eq!(fixture.program(arguments, "").status.code(), Some(2));
    }
    assert!(audit(&fixture).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_values_of_an_erased_subject_are_shown_as_shredded() {
    let fixture = fixture().await;
    let store = EmbeddedStore::open("store", &fixture.path("lethe.sqlite")).unwrap();
    store.shred("customers".to_owned(), ring(1).token("customers", "u-1")).await.unwrap();
    let answer = answer(&fixture, &["u-1"], "");
    let record = &answer["sinks"][0]["records"][0];
    assert_eq!(record["document"]["name"], "[shredded]");
    assert_eq!(record["document"]["plan"], "free");
    assert_eq!(record["closed"].as_array().unwrap().len(), 4);
    assert_eq!(answer["shredded"], serde_json::json!(["contact", "profile"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_open_is_reported_and_the_rest_is_shown() {
    let fixture = fixture().await;
    let swap = "UPDATE profiles SET document = json_set(document, '$.name', json_extract(document, '$.tags[0]'))";
    fixture.sql().execute(swap, []).unwrap();
    let answer = answer(&fixture, &["u-1"], "");
    let record = &answer["sinks"][0]["records"][0];
    assert_eq!(record["closed"][0]["path"], "/name");
    assert_eq!(record["document"]["email"], "u-1@example.com");
}
