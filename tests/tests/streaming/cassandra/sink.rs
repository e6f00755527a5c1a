//! What a table holds after events came late, twice, at once, and in forms that its columns don't take.

use std::sync::Arc;

use lethe_core::{outcome::Outcome::*, reason::Reason};
use lethe_crds::profile_pipeline::Records::{Append, Latest};
use serde_json::{Value, json};

use super::{bench::Expiry, bench::ids, *};

/// The rule by which a record was refused, and the field that broke it.
fn rule(answer: &Answer) -> (&'static str, Option<&str>) {
    let rejection = answer.as_ref().unwrap_err();
    assert_eq!(rejection.reason, Reason::SinkRefused);
    (rejection.rule.unwrap(), rejection.path.as_deref())
}

#[tokio::test]
async fn a_row_holds_each_value_in_its_column_s_type() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Append).await;
    let full = with_json(
        1,
        "e-1",
        7000,
        r#"{"plan":"a\"\u00e9\u4e2d","address":{"city":["x",{"y":1.50}]},"age":-2147483648,"score":1.5e-7,
            "spent":-12345678901234567890.1250,"visits":9223372036854775807,"active":true,
            "seen":"2026-03-01T11:00:00.125+01:00","born":"1969-12-31","ip":"2001:db8::1",
            "device":"0123abcd-4567-89EF-0123-456789abcdef"}"#,
    );
    let sparse = with_json(1, "e-2", 8000, r#"{"plan":null,"address":{},"ip":"192.0.2.7","seen":1795253281120}"#);
    assert_eq!(bench.write(&mut sink, &[full.clone(), sparse]).await, [Ok(Delivered), Ok(Delivered)]);
    let rows = bench.dump(&Bench::table(Append)).await;
    let time =
        |millis: i64| jiff::Timestamp::from_millisecond(millis).unwrap().strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string();
    let mut wanted = json!({
        "subject_ref": bench.reference(1).to_string(), "event_time": time(full.time()), "event_id": "e-1",
        "version": 7000, "plan": "a\"é中", "city": r#"["x",{"y":1.50}]"#, "age": i32::MIN, "score": 1.5e-7,
        "spent": null, "visits": i64::MAX, "active": true, "seen": "2026-03-01 10:00:00.125Z", "born": "1969-12-31",
        "ip": "2001:db8:0:0:0:0:0:1", "device": "0123abcd-4567-89ef-0123-456789abcdef",
    });
    // Its digits are more than a JSON number of this reader can hold.
    let mut cells = Value::Object(rows[0].cells.clone());
    cells["spent"].take();
    assert_eq!(cells, wanted);
    let spent = "SELECT CAST(spent AS text) FROM";
    let table = Bench::table(Append).sink;
    let of = format!("{}.{} WHERE subject_ref = '{}'", table.keyspace, table.table, bench.reference(1));
    assert_eq!(bench.texts(&format!("{spent} {of} LIMIT 1")).await, ["-12345678901234567890.1250"]);
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
async fn nothing_of_an_older_event_stays_in_a_row() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    bench.write(&mut sink, &[event(1, "a", 1000)]).await;
    bench.write(&mut sink, &[with_json(1, "b", 2000, r#"{"plan":"x"}"#)]).await;
    // A worker that knows nothing of the newer event.
    bench.write(&mut bench.sink(Latest).await, &[event(1, "a", 1000)]).await;
    let row = bench.dump(&Bench::table(Latest)).await.remove(0);
    let held: Vec<&str> =
        row.cells.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str()).collect();
    assert_eq!(held, ["subject_ref", "event_time", "event_id", "version", "plan"]);
    assert_eq!((row.text("event_id"), row.written), ("b".to_owned(), 2000));
}

#[tokio::test]
async fn an_event_older_than_the_row_changes_nothing() {
    let bench = Bench::new().await;
    let table = Bench::table(Latest);
    let mut sink = bench.sink(Latest).await;
    assert_eq!(bench.write(&mut sink, &[event(1, "b", 5000)]).await, [Ok(Delivered)]);
    let before = bench.dump(&table).await;
    let late = [event(1, "a", 4000), event(1, "a", 5000), event(1, "b", 5003), deletion(1, "z", 4990)];
    for late in late {
        assert_eq!(bench.write(&mut sink, &[late]).await, [Ok(Stale)]);
    }
    assert_eq!(bench.dump(&table).await, before);
    // What a worker doesn't remember, the version tells.
    for late in [event(1, "a", 4000), deletion(1, "z", 4990)] {
        assert!(bench.write(&mut bench.sink(Latest).await, &[late]).await[0].is_ok());
    }
    assert_eq!(bench.dump(&table).await, before);
}

#[tokio::test]
async fn of_two_events_of_one_millisecond_the_greater_id_stays_in_either_order() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    // At equal versions Cassandra takes the greater value, cell by cell: those of the loser.
    let a = with_json(1, "a", 5003, r#"{"plan":"z","address":{"city":"z"},"age":9,"active":true}"#);
    let b = with_json(1, "b", 5000, r#"{"plan":"y","age":1}"#);
    bench.write(&mut sink, std::slice::from_ref(&a)).await;
    assert_eq!(bench.write(&mut sink, std::slice::from_ref(&b)).await, [Ok(Delivered)], "a rewrite counts for nothing");
    let (a, b) = (Event { subject: 2, ..a }, Event { subject: 2, ..b });
    bench.write(&mut sink, std::slice::from_ref(&b)).await;
    assert_eq!(bench.write(&mut sink, std::slice::from_ref(&a)).await, [Ok(Stale)]);
    for row in bench.dump(&Bench::table(Latest)).await {
        let cells = |names: [&str; 4]| names.map(|name| row.cells[name].clone());
        assert_eq!(cells(["event_id", "plan", "city", "age"]), [json!("b"), json!("y"), Value::Null, json!(1)]);
    }
}

#[tokio::test]
async fn the_newest_of_a_batch_is_written_and_the_others_are_superseded() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    let events =
        [event(1, "a", 1000), event(2, "b", 9000), event(1, "c", 3000), event(1, "c", 3000), event(1, "d", 2000)];
    let answers = bench.write(&mut sink, &events).await;
    assert_eq!(answers, [Ok(Superseded), Ok(Delivered), Ok(Delivered), Ok(Stale), Ok(Superseded)]);
    assert_eq!(ids(&bench.dump(&Bench::table(Latest)).await), ["c", "b"]);
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
        ("/born", r#"{"born":"2026-02-30"}"#),
        ("/ip", r#"{"ip":"hunter2"}"#),
        ("/device", r#"{"device":"hunter2"}"#),
    ];
    let bench = Bench::new().await;
    for records in [Latest, Append] {
        bench.renew();
        let mut sink = bench.sink(records).await;
        let mut events = vec![event(0, "right", 1000)];
        for (at, (_, json)) in (1..).zip(misfits) {
            events.push(with_json(at, "wrong", 1000, json));
        }
        events.push(event(15, "right", 1000));
        let answers = bench.write(&mut sink, &events).await;
        let (last, wrong) = answers[1..].split_last().unwrap();
        assert_eq!((&answers[0], last), (&Ok(Delivered), &Ok(Delivered)));
        for (answer, (path, _)) in wrong.iter().zip(misfits) {
            assert_eq!(rule(answer), ("type", Some(path)));
            assert!(!format!("{answer:?}").contains("hunter2"));
        }
        assert_eq!(ids(&bench.dump(&Bench::table(records)).await), ["right", "right"]);
    }
}

#[tokio::test]
async fn a_refused_winner_makes_way_for_the_one_it_replaced() {
    let bench = Bench::new().await;
    let mut sink = bench.sink(Latest).await;
    let misfit = |id: &str, version| with_json(1, id, version, r#"{"age":"old"}"#);
    let events = [event(1, "a", 1000), event(1, "b", 2000), misfit("c", 3000), misfit("d", 4000)];
    let answers = bench.write(&mut sink, &events).await;
    assert_eq!(answers[..2], [Ok(Superseded), Ok(Delivered)]);
    assert_eq!((rule(&answers[2]), rule(&answers[3])), (("type", Some("/age")), ("type", Some("/age"))));
    assert_eq!(ids(&bench.dump(&Bench::table(Latest)).await), ["b"]);
    // The one that is taken in its place ties with what is there: no cell of either may mix.
    let tied = with_json(1, "bb", 2000, r#"{"plan":"a"}"#);
    assert_eq!(bench.write(&mut sink, &[tied, misfit("e", 5000)]).await[0], Ok(Delivered));
    let row = bench.dump(&Bench::table(Latest)).await.remove(0);
    assert_eq!((row.text("event_id"), row.text("plan"), &row.cells["city"]), ("bb".into(), "a".into(), &Value::Null));
}

#[tokio::test]
async fn a_row_larger_than_a_node_takes_is_refused_and_a_large_one_is_written() {
    let bench = Bench::new().await;
    let of = |bytes: usize| format!("{{\"plan\":\"{}\"}}", "x".repeat(bytes));
    for records in [Latest, Append] {
        bench.renew();
        let mut sink = bench.sink(records).await;
        // What Lethe itself holds back, and what a node refuses whose commit log has small segments.
        let sizes = [4_000_000, 17_000_000, 12_000_000];
        let mut events: Vec<Event> = (0..).zip(sizes).map(|(who, bytes)| with_json(who, "a", 1, &of(bytes))).collect();
        events.push(event(3, "b", 1));
        let answers = bench.write(&mut sink, &events).await;
        assert_eq!((&answers[0], &answers[3]), (&Ok(Delivered), &Ok(Delivered)));
        assert_eq!((rule(&answers[1]), rule(&answers[2])), (("size", None), ("size", None)));
        assert_eq!(ids(&bench.dump(&Bench::table(records)).await), ["a", "b"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_leave_the_newest() {
    let bench = Arc::new(Bench::new().await);
    let mut writers = Vec::new();
    for writer in 0..8_i64 {
        let mut sink = bench.sink(Latest).await;
        let bench = Arc::clone(&bench);
        writers.push(tokio::spawn(async move {
            for step in 0..16_i64 {
                // Each writes all subjects, in its own order of versions; of two writers no two are the same.
                let version = 1000 * ((writer * 16 + step) * 37 % 128);
                let events: Vec<Event> = (0..8).map(|who| event(who, &format!("{version}"), version)).collect();
                for answer in bench.write(&mut sink, &events).await {
                    assert!(matches!(answer, Ok(Delivered | Stale)), "{answer:?}");
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let rows = bench.dump(&Bench::table(Latest)).await;
    assert_eq!(rows.len(), 8);
    for row in rows {
        assert_eq!((row.written, row.text("event_id")), (127_000, "127000".to_owned()));
    }
}
