//! Rows of Cassandra with their write times and expiry times.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    value::{CqlValue, Row as Cells},
};

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Cells with a value, as text; a timestamp in milliseconds.
    pub cells: BTreeMap<String, String>,
    /// `WRITETIME` of each cell outside the key.
    pub written: BTreeMap<String, i64>,
    /// The second at which each of them expires.
    pub expires: BTreeMap<String, i64>,
}

impl Row {
    /// Returns a cell, or `None` if it has no value.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str)
    }
}

/// A table, as a sink declares it.
#[derive(Clone, Debug)]
pub struct Table {
    /// `keyspace.table`.
    pub name: String,
    /// Columns of its primary key.
    pub keys: Vec<String>,
    /// Its other columns.
    pub columns: Vec<String>,
}

impl Table {
    /// Returns the table of a sink of a manifest.
    pub fn of(sink: &serde_yaml::Value) -> Self {
        let cassandra = &sink["cassandra"];
        let texts = |list: &serde_yaml::Value| -> Vec<String> {
            list.as_sequence().into_iter().flatten().map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let keys = [texts(&cassandra["partitionKey"]), texts(&cassandra["clusteringKey"])].concat();
        let columns = cassandra["columns"].as_sequence().unwrap().iter();
        let columns = columns.map(|column| column["name"].as_str().unwrap().to_owned());
        Self {
            name: format!("{}.{}", cassandra["keyspace"].as_str().unwrap(), cassandra["table"].as_str().unwrap()),
            columns: columns.filter(|column| !keys.contains(column)).collect(),
            keys,
        }
    }
}

/// Opens a session with the cluster at `host:port`.
pub async fn connect(address: &str) -> Session {
    SessionBuilder::new().known_node(address).build().await.unwrap()
}

/// Returns every row of a table in the order of the keys.
pub async fn rows(session: &Session, table: &Table) -> Vec<Row> {
    let functions = table.columns.iter().flat_map(|column| [format!("WRITETIME({column})"), format!("TTL({column})")]);
    let selected: Vec<String> = table
        .keys
        .iter()
        .chain(&table.columns)
        .cloned()
        .chain(functions)
        .chain(["toUnixTimestamp(now())".to_owned()])
        .collect();
    let cql = format!("SELECT {} FROM {}", selected.join(", "), table.name);
    let found = session.query_iter(cql, ()).await.unwrap().rows_stream::<Cells>().unwrap();
    let mut rows: Vec<Row> = found.map_ok(|cells| row(table, &cells.columns)).try_collect().await.unwrap();
    let key = |row: &Row| -> Vec<Option<String>> { table.keys.iter().map(|key| row.cells.get(key).cloned()).collect() };
    rows.sort_by_key(key);
    rows
}

/// Returns all bytes of every table of a keyspace, by its name.
pub async fn dump(session: &Session, keyspace: &str) -> BTreeMap<String, Vec<u8>> {
    let cql = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let found = session.query_unpaged(cql, (keyspace,)).await.unwrap().into_rows_result().unwrap();
    let names: Vec<String> = found.rows::<(String,)>().unwrap().map(|row| row.unwrap().0).collect();
    let mut places = BTreeMap::new();
    for name in names {
        let name = format!("{keyspace}.{name}");
        let found = session.query_iter(format!("SELECT * FROM {name}"), ()).await.unwrap();
        let rows: Vec<Cells> = found.rows_stream().unwrap().try_collect().await.unwrap();
        let cells = rows.into_iter().flat_map(|row| row.columns).flatten();
        places.insert(name, cells.flat_map(|cell| [&bytes(&cell)[..], b"\n"].concat()).collect());
    }
    places
}

fn bytes(value: &CqlValue) -> Vec<u8> {
    if let CqlValue::Blob(bytes) = value { bytes.clone() } else { text(value).into_bytes() }
}

fn row(table: &Table, found: &[Option<CqlValue>]) -> Row {
    let (cells, rest) = found.split_at(table.keys.len() + table.columns.len());
    let (now, times) = rest.split_last().unwrap();
    let now = number(now.as_ref()).unwrap().div_euclid(1000);
    let names = table.keys.iter().chain(&table.columns);
    let mut row = Row { cells: BTreeMap::new(), written: BTreeMap::new(), expires: BTreeMap::new() };
    row.cells.extend(names.zip(cells).filter_map(|(name, cell)| Some((name.clone(), text(cell.as_ref()?)))));
    for (column, times) in table.columns.iter().zip(times.chunks(2)) {
        row.written.extend(number(times[0].as_ref()).map(|at| (column.clone(), at)));
        row.expires.extend(number(times[1].as_ref()).map(|left| (column.clone(), now + left)));
    }
    row
}

fn text(value: &CqlValue) -> String {
    match value {
        CqlValue::Text(text) => text.clone(),
        CqlValue::Timestamp(at) => at.0.to_string(),
        CqlValue::BigInt(number) => number.to_string(),
        CqlValue::Int(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn number(value: Option<&CqlValue>) -> Option<i64> {
    match value? {
        CqlValue::BigInt(number) => Some(*number),
        CqlValue::Int(number) => Some(i64::from(*number)),
        other => panic!("no number: {other:?}"),
    }
}

/// The largest difference between two expiry times of the same cell, in seconds: a TTL has whole
/// seconds from the moment of the write, and a write may take four seconds.
pub const SLACK: u64 = 2 + 4;

/// Fails the test unless two states of a table have the same cells and write times, and the same
/// expiry times within [`SLACK`].
#[track_caller]
pub fn assert_same(before: &[Row], after: &[Row]) {
    assert_eq!(before.len(), after.len(), "the number of rows differs");
    for (before, after) in before.iter().zip(after) {
        assert_eq!((&before.cells, &before.written), (&after.cells, &after.written));
        assert_eq!(before.expires.keys().collect::<Vec<_>>(), after.expires.keys().collect::<Vec<_>>());
        for (before, after) in before.expires.values().zip(after.expires.values()) {
            assert!(before.abs_diff(*after) <= SLACK, "it expires at {after}, before at {before}");
        }
    }
}
