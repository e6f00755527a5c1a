//! Opening a table: what is created, and the error where something is missing or differs.

use std::sync::Arc;

use lethe_crds::profile_pipeline::Records::{Append, Latest};
use lethe_stores::{ErrorKind, StoreError};
use scylla::value::Counter;

use super::{fixture::make_keyspace, *};

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

async fn refusal(fixture: &CassandraFixture, table: CassandraTable, access: Access) -> String {
    match CassandraSink::open(Arc::clone(&fixture.store), table, access).await.err().unwrap() {
        StoreError { kind: ErrorKind::Mismatch, message, .. } => message,
        other => panic!("{other}"),
    }
}

/// The statement that a message names, from its first word to its end.
fn statement<'a>(message: &'a str, first: &str) -> &'a str {
    let start = message.find(first).unwrap_or_else(|| panic!("{message}"));
    message[start..].split(';').next().unwrap()
}

/// Name, kind, place in its part of the key, and type of each column.
async fn columns(fixture: &CassandraFixture, keyspace: &Keyspace, table: &str) -> Vec<(String, String, i32, String)> {
    let cql = format!(
        "SELECT column_name, kind, position, type FROM system_schema.columns \
         WHERE keyspace_name = '{}' AND table_name = '{table}'",
        keyspace.0
    );
    let rows = fixture.session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
    rows.rows().unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_is_absent_is_made_once_however_many_ask_for_it() {
    let fixture = CassandraFixture::new().await;
    let keyspace = Keyspace::new("made");
    let events = table(&keyspace, "events", &EVENTS);
    let open = || fixture.open(&events);
    tokio::join!(open(), open(), open());
    let replication =
        format!("SELECT JSON replication FROM system_schema.keyspaces WHERE keyspace_name = '{}'", keyspace.0);
    assert_eq!(
        fixture.texts(&replication).await,
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
    assert_eq!(columns(&fixture, &keyspace, "events").await, wanted);
    // A subject's rows are found by the partition key, in the order of their times: no index is
    // needed.
    let indexes = format!("SELECT index_name FROM system_schema.indexes WHERE keyspace_name = '{}'", keyspace.0);
    assert_eq!(fixture.texts(&indexes).await, Vec::<String>::new());

    let id = format!("SELECT JSON id FROM system_schema.tables WHERE keyspace_name = '{}'", keyspace.0);
    let made = fixture.texts(&id).await;
    open().await;
    fixture.open(&checked(events.clone())).await;
    assert_eq!(fixture.texts(&id).await, made, "it was made a second time");
}

#[tokio::test]
async fn a_look_makes_nothing() {
    let fixture = CassandraFixture::new().await;
    let keyspace = Keyspace::new("looked");
    let events = table(&keyspace, "events", &EVENTS);
    let message = refusal(&fixture, events, Access::ReadOnly).await;
    assert!(message.contains("there is no table") && message.contains("`run` makes it"), "{message}");
    let keyspaces = fixture.texts("SELECT keyspace_name FROM system_schema.keyspaces").await;
    assert!(!keyspaces.contains(&keyspace.0));
}

#[tokio::test]
async fn lint_finds_nothing_wrong_with_a_table_that_a_run_will_make() {
    let fixture = CassandraFixture::new().await;
    let keyspace = Keyspace::new("linted");
    let events = table(&keyspace, "events", &EVENTS);
    CassandraSink::check(Arc::clone(&fixture.store), events.clone()).await.unwrap();
    let error = CassandraSink::check(Arc::clone(&fixture.store), checked(events)).await.unwrap_err();
    assert!(error.to_string().contains("manage: Create"), "{error}");
}

#[tokio::test]
async fn a_check_names_the_statements_and_passes_once_they_were_run() {
    let fixture = CassandraFixture::new().await;
    let keyspace = Keyspace::new("checked");
    let events = checked(table(&keyspace, "events", &EVENTS));
    for first in ["CREATE KEYSPACE", "CREATE TABLE"] {
        let message = refusal(&fixture, events.clone(), Access::Create).await;
        assert!(message.contains("manage: Create"), "{message}");
        fixture.run(statement(&message, first)).await;
    }
    fixture.open(&events).await;

    let name = format!("{}.events", keyspace.0);
    fixture.run(&format!("ALTER TABLE {name} DROP born")).await;
    fixture.run(&format!("ALTER TABLE {name} ADD note text STATIC")).await;
    fixture.run(&format!("ALTER TABLE {name} WITH default_time_to_live = 3600")).await;
    let message = refusal(&fixture, events.clone(), Access::ReadOnly).await;
    for (difference, first) in [
        ("column born is missing", "ALTER TABLE \"$\".\"events\" ADD \"born\" date"),
        ("column note is static", "ALTER TABLE \"$\".\"events\" DROP \"note\""),
        ("rows expire 3600 s after they are written", "ALTER TABLE \"$\".\"events\" WITH default_time_to_live = 0"),
    ] {
        let first = first.replace('$', &keyspace.0);
        assert!(message.contains(difference) && message.contains(&first), "{message}");
        fixture.run(statement(&message, &first).split(", or ").next().unwrap()).await;
    }
    fixture.open(&events).await;
}

#[tokio::test]
async fn a_table_of_another_shape_is_reported_column_by_column() {
    let fixture = CassandraFixture::new().await;
    let keyspace = Keyspace::new("shaped");
    make_keyspace(&fixture.session, &keyspace.0).await;
    let events = table(&keyspace, "events", &EVENTS);
    fixture
        .run(&format!(
            "CREATE TABLE {}.events (subject_ref text, event_id text, event_time timestamp, version int, plan text, \
             city varchar, age bigint, score float, spent double, visits varint, active text, seen date, \
             born timestamp, ip text, device timeuuid, extra text, PRIMARY KEY (subject_ref, event_id))",
            keyspace.0
        ))
        .await;
    let message = refusal(&fixture, events, Access::Create).await;
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
        let difference =
            format!("column {column} is {is} and should be {wanted}: declare it as {is}, or fill another column");
        assert!(message.contains(&difference), "{column}: {message}");
    }
    let difference = "the clustering key is (event_id) and should be (event_time, event_id)";
    assert!(message.contains(difference) && message.contains("write to another table"), "{message}");
    for same in ["subject_ref is", "plan is", "city is", "extra"] {
        assert!(!message.contains(same), "{same}: {message}");
    }
}

#[tokio::test]
async fn a_table_that_counts_is_no_place_for_records() {
    let fixture = CassandraFixture::new().await;
    let keyspace = Keyspace::new("counted");
    make_keyspace(&fixture.session, &keyspace.0).await;
    let name = format!("{}.visits", keyspace.0);
    fixture.run(&format!("CREATE TABLE {name} (subject_ref text PRIMARY KEY, visits counter)")).await;
    fixture.run(&format!("UPDATE {name} SET visits = visits + 2 WHERE subject_ref = 'a'")).await;
    let message = refusal(&fixture, checked(table(&keyspace, "visits", &[])), Access::Create).await;
    assert!(message.contains("column visits counts"), "{message}");
    let rows = fixture.session.query_unpaged(format!("SELECT visits FROM {name}"), ()).await.unwrap();
    assert_eq!(rows.into_rows_result().unwrap().single_row::<(Counter,)>().unwrap().0, Counter(2));
}

#[tokio::test]
async fn an_age_that_cassandra_can_not_write_is_refused() {
    let fixture = CassandraFixture::new().await;
    let mut people = CassandraFixture::table(Latest);
    people.max_age = Some(100 * 365 * AGE);
    let message = refusal(&fixture, people, Access::Create).await;
    assert!(message.contains("maxAge") && message.contains(fixture.store.version()), "{message}");
}

#[tokio::test]
async fn an_absent_data_centre_is_reported_with_those_that_exist() {
    let nowhere = CassandraConnection { local_datacenter: "eu".to_owned(), ..connection(&address()) };
    let error = CassandraStore::connect(&nowhere).await.err().unwrap();
    assert!(!error.is_transient(), "{error}");
    assert!(error.to_string().contains("set localDatacenter to one of datacenter1"), "{error}");
}
