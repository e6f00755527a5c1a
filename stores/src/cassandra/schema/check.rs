//! Compares an existing table with the declared one.

use lethe_crds::profile_pipeline::CassandraSink;

use crate::{
    Fault,
    cassandra::{
        CassandraStore,
        fault::unexpected,
        schema::statements::{full_name, quoted, type_name},
    },
};

/// Cassandra's default of `gc_grace_seconds`: the minimum age of a tombstone before it is removed,
/// in seconds.
const DEFAULT_GC_GRACE: i32 = 864_000;

/// A table as the server describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) columns: Vec<DescribedColumn>,
    /// Seconds after which a row without a time to live of its own expires; 0: never.
    pub(crate) default_ttl: i32,
    /// Minimum age of a tombstone before it is removed, in seconds.
    pub(crate) gc_grace: i32,
}

/// A column as the server describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DescribedColumn {
    pub(crate) name: String,
    pub(crate) cql_type: String,
    /// `partition_key`, `clustering`, `regular` or `static`.
    pub(crate) kind: String,
    /// Position in its part of the key.
    pub(crate) position: i32,
}

impl Described {
    fn key(&self, kind: &str) -> Vec<&str> {
        let mut key: Vec<_> = self.columns.iter().filter(|column| column.kind == kind).collect();
        key.sort_by_key(|column| column.position);
        key.into_iter().map(|column| column.name.as_str()).collect()
    }
}

/// Describes a table. Returns `None` if it does not exist. Fails with `Mismatch` if it is a
/// materialized view.
pub(crate) async fn describe(store: &CassandraStore, keyspace: &str, table: &str) -> Result<Option<Described>, Fault> {
    let sql = "SELECT default_time_to_live, gc_grace_seconds FROM system_schema.tables
               WHERE keyspace_name = ? AND table_name = ?";
    let rows = store.describe(sql, (keyspace, table)).await?;
    let Some((default_ttl, gc_grace)) = rows.maybe_first_row::<(i32, i32)>().map_err(|_| unexpected())? else {
        return is_view(store, keyspace, table).await.map(|()| None);
    };
    let sql = "SELECT column_name, type, kind, position FROM system_schema.columns
               WHERE keyspace_name = ? AND table_name = ?";
    let rows = store.describe(sql, (keyspace, table)).await?;
    let columns = rows.rows::<(String, String, String, i32)>().map_err(|_| unexpected())?.map(|row| {
        let (name, cql_type, kind, position) = row.map_err(|_| unexpected())?;
        Ok(DescribedColumn { name, cql_type, kind, position })
    });
    Ok(Some(Described { columns: columns.collect::<Result<_, Fault>>()?, default_ttl, gc_grace }))
}

async fn is_view(store: &CassandraStore, keyspace: &str, table: &str) -> Result<(), Fault> {
    let sql = "SELECT view_name FROM system_schema.views WHERE keyspace_name = ? AND view_name = ?";
    if store.describe(sql, (keyspace, table)).await?.rows_num() > 0 {
        return Err(Fault::mismatch(format!("{keyspace}.{table} is a materialized view; write to a table")));
    }
    Ok(())
}

/// Returns the differences, each as a sentence that says how to fix it. `expires`: whether the
/// sink's records expire.
pub(crate) fn differences(sink: &CassandraSink, expires: bool, actual: &Described) -> Vec<String> {
    let mut found = Vec::new();
    let name = full_name(&sink.keyspace, &sink.table);
    for column in &sink.columns {
        let wanted = type_name(column.cql_type);
        match actual.columns.iter().find(|other| other.name == column.name) {
            None => found.push(missing(&name, &column.name, wanted, actual)),
            Some(other) if other.cql_type != wanted => found.push(format!(
                "column {} is {} and should be {wanted}: declare it as {}, or fill another column (a type can't be \
                 changed)",
                column.name, other.cql_type, other.cql_type
            )),
            Some(_) => {}
        }
    }
    let mut key = |what: &str, kind: &str, wanted: &[String]| {
        let is = actual.key(kind);
        if is != wanted {
            found.push(format!(
                "the {what} is ({}) and should be ({}): a key can't be changed, write to another table",
                is.join(", "),
                wanted.join(", ")
            ));
        }
    };
    key("partition key", "partition_key", &sink.partition_key);
    key("clustering key", "clustering", sink.clustering_key.as_deref().unwrap_or_default());
    for column in &actual.columns {
        if column.cql_type == "counter" {
            found.push(format!(
                "column {} counts, and a table of counters takes no records: write to another table",
                column.name
            ));
        } else if column.kind == "static" {
            found.push(format!(
                "column {} is static: it would belong to all of a subject's records and to none; ALTER TABLE {name} \
                 DROP {}, or write to another table",
                column.name,
                quoted(&column.name)
            ));
        }
    }
    if actual.default_ttl > 0 && !expires {
        found.push(format!(
            "rows expire {} s after they are written (default_time_to_live), so each replay would lengthen their life: \
             set maxAge, which counts from the event's time, or ALTER TABLE {name} WITH default_time_to_live = 0",
            actual.default_ttl
        ));
    }
    found
}

fn missing(table: &str, column: &str, wanted: &str, actual: &Described) -> String {
    let lower = column.to_lowercase();
    if lower != column && actual.columns.iter().any(|other| other.name == lower) {
        return format!(
            "column {column} is called {lower} there: call it so in the manifest, names are taken as written"
        );
    }
    format!("column {column} is missing: ALTER TABLE {table} ADD {} {wanted}", quoted(column))
}

/// Logs warnings about a table that can be used, but not as well as possible.
pub(crate) fn warn(sink: &CassandraSink, actual: &Described) {
    let (keyspace, table) = (&sink.keyspace, &sink.table);
    if actual.gc_grace < DEFAULT_GC_GRACE {
        tracing::warn!(
            keyspace,
            table,
            gc_grace_seconds = actual.gc_grace,
            "gc_grace_seconds is below 10 days: a node that was down for longer can restore deleted rows"
        );
    }
    for column in actual.columns.iter().filter(|column| column.kind == "regular") {
        if !sink.columns.iter().any(|wanted| wanted.name == column.name) {
            tracing::warn!(
                keyspace,
                table,
                column = column.name,
                "column is not filled by the sink: its values stay until the row is deleted"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cassandra::schema::statements::tests::sink;

    fn described() -> Described {
        let column = |name: &str, cql_type: &str, kind: &str, position| DescribedColumn {
            name: name.to_owned(),
            cql_type: cql_type.to_owned(),
            kind: kind.to_owned(),
            position,
        };
        Described {
            columns: vec![
                column("city", "text", "regular", -1),
                column("event_id", "text", "clustering", 1),
                column("event_time", "timestamp", "clustering", 0),
                column("spent", "decimal", "regular", -1),
                column("subject_ref", "text", "partition_key", 0),
            ],
            default_ttl: 0,
            gc_grace: DEFAULT_GC_GRACE,
        }
    }

    fn changed(change: impl FnOnce(&mut Described)) -> Vec<String> {
        let mut table = described();
        change(&mut table);
        differences(&sink(), false, &table)
    }

    #[test]
    fn a_table_as_declared_has_no_differences() {
        assert_eq!(differences(&sink(), false, &described()), Vec::<String>::new());
    }

    #[test]
    fn a_missing_column_is_reported_with_its_statement() {
        let found = changed(|table| table.columns.retain(|column| column.name != "spent"));
        assert_eq!(
            found,
            ["column spent is missing: ALTER TABLE \"shop\".\"events\" ADD \"spent\" decimal".to_owned()]
        );
    }

    #[test]
    fn a_name_that_differs_in_case_only_is_reported() {
        let mut sink = sink();
        sink.columns[3].name = "City".to_owned();
        assert!(differences(&sink, false, &described())[0].starts_with("column City is called city there"));
    }

    #[test]
    fn another_type_or_key_is_reported() {
        let found = changed(|table| {
            table.columns[3].cql_type = "double".to_owned();
            table.columns[2].kind = "regular".to_owned();
        });
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("column spent is double and should be decimal: declare it as double"));
        assert!(found[1].starts_with("the clustering key is (event_id) and should be (event_time, event_id)"));
    }

    #[test]
    fn counters_and_static_columns_are_refused() {
        let found = changed(|table| {
            let extra = |name: &str, cql_type: &str, kind: &str| DescribedColumn {
                name: name.to_owned(),
                cql_type: cql_type.to_owned(),
                kind: kind.to_owned(),
                position: -1,
            };
            table.columns.push(extra("visits", "counter", "regular"));
            table.columns.push(extra("plan", "text", "static"));
            table.columns.push(extra("tags", "set<text>", "regular"));
        });
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("visits counts") && found[1].contains("DROP \"plan\""));
    }

    #[test]
    fn a_default_time_to_live_is_refused_unless_the_sink_sets_max_age() {
        let mut table = described();
        table.default_ttl = 60;
        assert!(differences(&sink(), false, &table)[0].contains("set maxAge"));
        assert_eq!(differences(&sink(), true, &table), Vec::<String>::new());
    }
}
