//! Columns and their types.

use lethe_core::{outcome::Outcome::*, reason::Reason};
use lethe_crds::profile_pipeline::Records::{Append, Latest};
use serde_json::{Value, json};

use super::{fixture::Expiry, fixture::ids, *};

/// The rule by which a record was refused, and the field that broke it.
fn rule(answer: &Answer) -> (&'static str, Option<&str>) {
    let rejection = answer.as_ref().unwrap_err();
    assert_eq!(rejection.reason, Reason::SinkRefused);
    (rejection.rule.unwrap(), rejection.path.as_deref())
}

#[tokio::test]
async fn a_row_holds_each_value_in_its_column_s_type() {
    let fixture = CassandraFixture::new().await;
    let mut sink = fixture.sink(Append).await;
    let full = with_json(
        1,
        "e-1",
        7000,
        r#"{"plan":"a\"\u00e9\u4e2d","address":{"city":["x",{"y":1.50}]},"age":-2147483648,"score":1.5e-7,
            "spent":-12345678901234567890.1250,"visits":9223372036854775807,"active":true,
            "seen":"2026-03-01T11:00:00.125+01:00","born":"1969-12-31","ip":"2001:db8::1",
            "device":"0123abcd-4567-89EF-0123-456789abcdef"}"#,
    );
    let sparse =
        with_json(1, "e-2", 8000, r#"{"plan":null,"address":{},"ip":"192.0.2.7","seen":"2026-11-21T09:28:01.120Z"}"#);
    assert_eq!(fixture.write(&mut sink, &[full.clone(), sparse]).await, [Ok(Delivered), Ok(Delivered)]);
    let rows = fixture.dump(&CassandraFixture::table(Append)).await;
    let time =
        |millis: i64| jiff::Timestamp::from_millisecond(millis).unwrap().strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string();
    let mut wanted = json!({
        "subject_ref": fixture.reference(1).to_string(), "event_time": time(full.time()), "event_id": "e-1",
        "version": 7000, "plan": "a\"é中", "city": r#"["x",{"y":1.50}]"#, "age": i32::MIN, "score": 1.5e-7,
        "spent": null, "visits": i64::MAX, "active": true, "seen": "2026-03-01 10:00:00.125Z", "born": "1969-12-31",
        "ip": "2001:db8:0:0:0:0:0:1", "device": "0123abcd-4567-89ef-0123-456789abcdef",
    });
    // Its digits are more than a JSON number of this reader can hold.
    let mut cells = Value::Object(rows[0].cells.clone());
    cells["spent"].take();
    assert_eq!(cells, wanted);
    let spent = "SELECT CAST(spent AS text) FROM";
    let table = CassandraFixture::table(Append).sink;
    let of = format!("{}.{} WHERE subject_ref = '{}'", table.keyspace, table.table, fixture.reference(1));
    assert_eq!(fixture.texts(&format!("{spent} {of} LIMIT 1")).await, ["-12345678901234567890.1250"]);
    assert_eq!((rows[0].written, rows[0].expires), (7000, Some(Expiry(full.time() + AGE))));
    for (name, value) in wanted.as_object_mut().unwrap() {
        match name.as_str() {
            "subject_ref" => {}
            "event_time" => *value = json!(time(full.time() + 1)),
            "event_id" => *value = json!("e-2"),
            "version" => *value = json!(8000),
            "ip" => *value = json!("192.0.2.7"),
            "seen" => *value = json!(time(1_795_253_281_120)),
            _ => *value = Value::Null,
        }
    }
    assert_eq!(Value::Object(rows[1].cells.clone()), wanted);
}

#[tokio::test]
async fn a_value_that_its_column_can_not_hold_refuses_its_record_and_no_other() {
    let misfits = [
        ("/age", r#"{"age":2147483648}"#),
        ("/age", r#"{"age":"hunter2"}"#),
        ("/score", r#"{"score":"hunter2"}"#),
        ("/spent", r#"{"spent":{"hunter2":1}}"#),
        ("/visits", r#"{"visits":1.5}"#),
        ("/active", r#"{"active":1}"#),
        ("/seen", r#"{"seen":"hunter2"}"#),
        ("/seen", r#"{"seen":1795253281120}"#),
        ("/born", r#"{"born":"2026-02-30"}"#),
        ("/ip", r#"{"ip":"hunter2"}"#),
        ("/device", r#"{"device":"hunter2"}"#),
    ];
    let fixture = CassandraFixture::new().await;
    for records in [Latest, Append] {
        fixture.renew();
        let mut sink = fixture.sink(records).await;
        let mut events = vec![event(0, "right", 1000)];
        for (at, (_, json)) in (1..).zip(misfits) {
            events.push(with_json(at, "wrong", 1000, json));
        }
        events.push(event(15, "right", 1000));
        let answers = fixture.write(&mut sink, &events).await;
        let (last, wrong) = answers[1..].split_last().unwrap();
        assert_eq!((&answers[0], last), (&Ok(Delivered), &Ok(Delivered)));
        for (answer, (path, _)) in wrong.iter().zip(misfits) {
            assert_eq!(rule(answer), ("type", Some(path)));
            assert!(!format!("{answer:?}").contains("hunter2"));
        }
        assert_eq!(ids(&fixture.dump(&CassandraFixture::table(records)).await), ["right", "right"]);
    }
}
