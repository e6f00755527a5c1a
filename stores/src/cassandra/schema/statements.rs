//! The CQL statements of a sink's table.

use lethe_crds::profile_pipeline::{CassandraSink, Consistency, CqlType};

/// Returns a name as a quoted CQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a text as a CQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns `"keyspace"."table"`.
pub(crate) fn full_name(keyspace: &str, table: &str) -> String {
    format!("{}.{}", quoted(keyspace), quoted(table))
}

/// Returns the name of a type in CQL and in `system_schema.columns`.
pub(crate) const fn type_name(cql_type: CqlType) -> &'static str {
    match cql_type {
        CqlType::Text => "text",
        CqlType::Bigint => "bigint",
        CqlType::Int => "int",
        CqlType::Double => "double",
        CqlType::Decimal => "decimal",
        CqlType::Boolean => "boolean",
        CqlType::Timestamp => "timestamp",
        CqlType::Date => "date",
        CqlType::Inet => "inet",
        CqlType::Uuid => "uuid",
    }
}

/// Returns the driver's value of a declared consistency; the default is `LocalQuorum`.
pub(crate) fn consistency(of: Option<Consistency>) -> scylla::statement::Consistency {
    match of.unwrap_or(Consistency::LocalQuorum) {
        Consistency::LocalQuorum => scylla::statement::Consistency::LocalQuorum,
        Consistency::Quorum => scylla::statement::Consistency::Quorum,
        Consistency::EachQuorum => scylla::statement::Consistency::EachQuorum,
        Consistency::All => scylla::statement::Consistency::All,
    }
}

/// Returns the statement that creates a keyspace with replicas in the local data centre.
pub(crate) fn create_keyspace(keyspace: &str, datacenter: &str, replicas: usize) -> String {
    format!(
        "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {{'class': 'NetworkTopologyStrategy', {}: {replicas}}}",
        quoted(keyspace),
        literal(datacenter)
    )
}

/// Returns the statement that creates the declared table.
pub(crate) fn create_table(sink: &CassandraSink) -> String {
    let mut columns: Vec<String> =
        sink.columns.iter().map(|column| format!("{} {}", quoted(&column.name), type_name(column.cql_type))).collect();
    let names = |list: &[String]| list.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let clustering = sink.clustering_key.as_deref().unwrap_or_default();
    let rest = if clustering.is_empty() { String::new() } else { format!(", {}", names(clustering)) };
    columns.push(format!("PRIMARY KEY (({}){rest})", names(&sink.partition_key)));
    format!("CREATE TABLE IF NOT EXISTS {} ({})", full_name(&sink.keyspace, &sink.table), columns.join(", "))
}

/// Returns the statement that writes a row. Its values are every column in the sink's order, then
/// the version and the time to live. It writes null to a column that the event lacks, so that no
/// value of an older event is left in the row.
pub(crate) fn insert(sink: &CassandraSink) -> String {
    let names: Vec<String> = sink.columns.iter().map(|column| quoted(&column.name)).collect();
    let marks = vec!["?"; names.len()];
    format!(
        "INSERT INTO {} ({}) VALUES ({}) USING TIMESTAMP ? AND TTL ?",
        full_name(&sink.keyspace, &sink.table),
        names.join(", "),
        marks.join(", ")
    )
}

/// Returns the statement that deletes the rows of a subject up to a version. Its values are the
/// version and the subject.
pub(crate) fn delete(sink: &CassandraSink) -> String {
    let subject = sink.partition_key.first().map_or_else(String::new, |name| quoted(name));
    format!("DELETE FROM {} USING TIMESTAMP ? WHERE {subject} = ?", full_name(&sink.keyspace, &sink.table))
}

/// Returns the statement that deletes the rows of a subject up to a version and an event id. Its
/// values are the version, the subject, and the clustering columns `to_id`, the last of which holds
/// the event id.
pub(crate) fn delete_up_to(sink: &CassandraSink, to_id: &[&str]) -> String {
    let last = to_id.len().saturating_sub(1);
    let conditions = to_id.iter().enumerate().map(|(index, name)| {
        let compared = if index == last { "<=" } else { "=" };
        format!(" AND {} {compared} ?", quoted(name))
    });
    format!("{}{}", delete(sink), conditions.collect::<String>())
}

#[cfg(test)]
pub(crate) mod tests {
    use lethe_crds::{
        profile_pipeline::{CassandraColumn, Meta},
        reference::StoreRef,
    };

    use super::*;

    pub(crate) fn sink() -> CassandraSink {
        let column = |name: &str, cql_type, path: Option<&str>, meta| CassandraColumn {
            name: name.to_owned(),
            cql_type,
            path: path.map(str::to_owned),
            meta,
        };
        CassandraSink {
            store_ref: StoreRef { name: "cluster".to_owned() },
            keyspace: "shop".to_owned(),
            table: "events".to_owned(),
            manage: None,
            columns: vec![
                column("subject_ref", CqlType::Text, None, Some(Meta::SubjectRef)),
                column("event_time", CqlType::Timestamp, None, Some(Meta::EventTime)),
                column("event_id", CqlType::Text, None, Some(Meta::EventId)),
                column("city", CqlType::Text, Some("/address/city"), None),
                column("spent", CqlType::Decimal, Some("/spent"), None),
            ],
            partition_key: vec!["subject_ref".to_owned()],
            clustering_key: Some(vec!["event_time".to_owned(), "event_id".to_owned()]),
            consistency: None,
        }
    }

    #[test]
    fn a_table_is_created_as_it_is_declared() {
        assert_eq!(
            create_table(&sink()),
            "CREATE TABLE IF NOT EXISTS \"shop\".\"events\" (\"subject_ref\" text, \"event_time\" timestamp, \
             \"event_id\" text, \"city\" text, \"spent\" decimal, \
             PRIMARY KEY ((\"subject_ref\"), \"event_time\", \"event_id\"))"
        );
        let latest = CassandraSink { clustering_key: None, ..sink() };
        assert!(create_table(&latest).ends_with("PRIMARY KEY ((\"subject_ref\")))"));
    }

    #[test]
    fn a_row_is_written_whole_with_its_version_and_its_time_to_live() {
        assert_eq!(
            insert(&sink()),
            "INSERT INTO \"shop\".\"events\" (\"subject_ref\", \"event_time\", \"event_id\", \"city\", \"spent\") \
             VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?"
        );
    }

    #[test]
    fn a_deletion_removes_rows_up_to_its_version() {
        assert_eq!(delete(&sink()), "DELETE FROM \"shop\".\"events\" USING TIMESTAMP ? WHERE \"subject_ref\" = ?");
    }

    #[test]
    fn a_deletion_removes_rows_of_its_version_up_to_its_event_id() {
        assert_eq!(
            delete_up_to(&sink(), &["event_time", "event_id"]),
            "DELETE FROM \"shop\".\"events\" USING TIMESTAMP ? WHERE \"subject_ref\" = ? AND \"event_time\" = ? AND \
             \"event_id\" <= ?"
        );
    }

    #[test]
    fn a_keyspace_is_created_for_the_local_data_centre() {
        assert_eq!(
            create_keyspace("shop", "eu'1", 3),
            "CREATE KEYSPACE IF NOT EXISTS \"shop\" WITH replication = {'class': 'NetworkTopologyStrategy', \
             'eu''1': 3}"
        );
    }

    #[test]
    fn quotes_in_a_name_are_escaped() {
        assert_eq!(full_name("a\"b", "c"), "\"a\"\"b\".\"c\"");
    }
}
