//! Opening a table: what is made, and what is said where something is lacking or differs.

use std::sync::Arc;

use lethe_crds::profile_pipeline::Records::{Append, Latest};
use lethe_stores::StoreError;
use scylla::value::Counter;

use super::{bench::make_keyspace, *};

const EVENTS: [&str; 2] = ["event_time", "event_id"];

fn table(keyspace: &Keyspace, name: &str, clustering: &[&str]) -> CassandraTable {
    let records = if clustering.is_empty() { Latest } else { Append };
    CassandraTable { sink: declared(&keyspace.0, name, clustering), records, max_age: None }
}

/// `manage: Check`.
fn checked(mut table: CassandraTable) -> CassandraTable {
    table.sink.manage = None;
    table
}

async fn refusal(bench: &Bench, table: CassandraTable, access: Access) -> String {
    match CassandraSink::open(Arc::clone(&bench.store), table, access).await.err().unwrap() {
        StoreError::Mismatch { message, .. } => message,
        other => panic!("{other}"),
    }
}

/// The statement that a message names, from its first word to its end.
fn statement<'a>(message: &'a str, first: &str) -> &'a str {
    let start = message.find(first).unwrap_or_else(|| panic!("{message}"));
    message[start..].split(';').next().unwrap()
}

/// Name, kind, place in its part of the key, and type of each column.
async fn columns(bench: &Bench, keyspace: &Keyspace, table: &str) -> Vec<(String, String, i32, String)> {
    let cql = format!(
        "SELECT column_name, kind, position, type FROM system_schema.columns \
         WHERE keyspace_name = '{}' AND table_name = '{table}'",
        keyspace.0
    );
    let rows = bench.session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
    rows.rows().unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_is_absent_is_made_once_however_many_ask_for_it() {
    let bench = Bench::new().await;
    let keyspace = Keyspace::new("made");
    let events = table(&keyspace, "events", &EVENTS);
    let open = || bench.open(&events);
    tokio::join!(open(), open(), open());
    let replication =
        format!("SELECT JSON replication FROM system_schema.keyspaces WHERE keyspace_name = '{}'", keyspace.0);
    assert_eq!(
        bench.texts(&replication).await,
        [r#"{"replication": {"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "datacenter1": "1"}}"#]
    );
    let mut wanted: Vec<_> = COLUMNS
        .iter()
        .map(|(name, cql_type, _)| {
            let (kind, place) = match *name {
                "subject_ref" => ("partition_key", 0),
                "event_time" => ("clustering", 0),
                "event_id" => ("clustering", 1),
                _ => ("regular", -1),
            };
            ((*name).to_owned(), kind.to_owned(), place, (*cql_type).to_owned())
        })
        .collect();
    wanted.sort();
    assert_eq!(columns(&bench, &keyspace, "events").await, wanted);
    // A subject's rows are found by the partition key, and lie in the order of their times: no index is needed.
    let indexes = format!("SELECT index_name FROM system_schema.indexes WHERE keyspace_name = '{}'", keyspace.0);
    assert_eq!(bench.texts(&indexes).await, Vec::<String>::new());

    let id = format!("SELECT JSON id FROM system_schema.tables WHERE keyspace_name = '{}'", keyspace.0);
    let made = bench.texts(&id).await;
    open().await;
    bench.open(&checked(events.clone())).await;
    assert_eq!(bench.texts(&id).await, made, "it was made a second time");
}

#[tokio::test]
async fn a_look_makes_nothing() {
    let bench = Bench::new().await;
    let keyspace = Keyspace::new("looked");
    let events = table(&keyspace, "events", &EVENTS);
    let message = refusal(&bench, events, Access::Look).await;
    assert!(message.contains("there is no table") && message.contains("`run` makes it"), "{message}");
    let keyspaces = bench.texts("SELECT keyspace_name FROM system_schema.keyspaces").await;
    assert!(!keyspaces.contains(&keyspace.0));
}

#[tokio::test]
async fn lint_finds_nothing_wrong_with_a_table_that_a_run_will_make() {
    let bench = Bench::new().await;
    let keyspace = Keyspace::new("linted");
    let events = table(&keyspace, "events", &EVENTS);
    CassandraSink::look(Arc::clone(&bench.store), events.clone()).await.unwrap();
    let error = CassandraSink::look(Arc::clone(&bench.store), checked(events)).await.unwrap_err();
    assert!(error.to_string().contains("manage: Create"), "{error}");
}

#[tokio::test]
async fn a_check_says_what_to_run_and_passes_once_it_was_run() {
    let bench = Bench::new().await;
    let keyspace = Keyspace::new("checked");
    let events = checked(table(&keyspace, "events", &EVENTS));
    for first in ["CREATE KEYSPACE", "CREATE TABLE"] {
        let message = refusal(&bench, events.clone(), Access::Make).await;
        assert!(message.contains("manage: Create"), "{message}");
        bench.run(statement(&message, first)).await;
    }
    bench.open(&events).await;

    let name = format!("{}.events", keyspace.0);
    bench.run(&format!("ALTER TABLE {name} DROP born")).await;
    bench.run(&format!("ALTER TABLE {name} ADD note text STATIC")).await;
    bench.run(&format!("ALTER TABLE {name} WITH default_time_to_live = 3600")).await;
    let message = refusal(&bench, events.clone(), Access::Look).await;
    for (says, first) in [
        ("column born is missing", "ALTER TABLE \"$\".\"events\" ADD \"born\" date"),
        ("column note is static", "ALTER TABLE \"$\".\"events\" DROP \"note\""),
        ("rows expire 3600 s after they are written", "ALTER TABLE \"$\".\"events\" WITH default_time_to_live = 0"),
    ] {
        let first = first.replace('$', &keyspace.0);
        assert!(message.contains(says) && message.contains(&first), "{message}");
        bench.run(statement(&message, &first).split(", or ").next().unwrap()).await;
    }
    bench.open(&events).await;
}

#[tokio::test]
async fn a_table_of_another_shape_is_told_column_by_column() {
    let bench = Bench::new().await;
    let keyspace = Keyspace::new("shaped");
    make_keyspace(&bench.session, &keyspace.0).await;
    let events = table(&keyspace, "events", &EVENTS);
    bench
        .run(&format!(
            "CREATE TABLE {}.events (subject_ref text, event_id text, event_time timestamp, version int, plan text, \
             city varchar, age bigint, score float, spent double, visits varint, active text, seen date, \
             born timestamp, ip text, device timeuuid, extra text, PRIMARY KEY (subject_ref, event_id))",
            keyspace.0
        ))
        .await;
    let message = refusal(&bench, events, Access::Make).await;
    for (column, is, wanted) in [
        ("version", "int", "bigint"),
        ("age", "bigint", "int"),
        ("score", "float", "double"),
        ("spent", "double", "decimal"),
        ("visits", "varint", "bigint"),
        ("active", "text", "boolean"),
        ("seen", "date", "timestamp"),
        ("born", "timestamp", "date"),
        ("ip", "text", "inet"),
        ("device", "timeuuid", "uuid"),
    ] {
        let told =
            format!("column {column} is {is} and should be {wanted}: declare it as {is}, or fill another column");
        assert!(message.contains(&told), "{column}: {message}");
    }
    let told = "the clustering key is (event_id) and should be (event_time, event_id)";
    assert!(message.contains(told) && message.contains("write to another table"), "{message}");
    for same in ["subject_ref is", "plan is", "city is", "extra"] {
        assert!(!message.contains(same), "{same}: {message}");
    }
}

#[tokio::test]
async fn a_table_that_counts_is_no_place_for_records() {
    let bench = Bench::new().await;
    let keyspace = Keyspace::new("counted");
    make_keyspace(&bench.session, &keyspace.0).await;
    let name = format!("{}.visits", keyspace.0);
    bench.run(&format!("CREATE TABLE {name} (subject_ref text PRIMARY KEY, visits counter)")).await;
    bench.run(&format!("UPDATE {name} SET visits = visits + 2 WHERE subject_ref = 'a'")).await;
    let message = refusal(&bench, checked(table(&keyspace, "visits", &[])), Access::Make).await;
    assert!(message.contains("column visits counts"), "{message}");
    let rows = bench.session.query_unpaged(format!("SELECT visits FROM {name}"), ()).await.unwrap();
    assert_eq!(rows.into_rows_result().unwrap().single_row::<(Counter,)>().unwrap().0, Counter(2));
}

#[tokio::test]
async fn an_age_that_cassandra_can_not_write_is_refused() {
    let bench = Bench::new().await;
    let mut people = Bench::table(Latest);
    people.max_age = Some(100 * 365 * AGE);
    let message = refusal(&bench, people, Access::Make).await;
    assert!(message.contains("maxAge") && message.contains(bench.store.version()), "{message}");
}

#[tokio::test]
async fn a_data_centre_that_is_not_there_is_told_with_those_that_are() {
    let nowhere = CassandraConnection { local_datacenter: "eu".to_owned(), ..connection(&address()) };
    let error = CassandraStore::connect(&nowhere).await.err().unwrap();
    assert!(matches!(error, StoreError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("set localDatacenter to one of datacenter1"), "{error}");
}
