//! A view of each table with one column per declared field.

use lethe_core::pipeline::{Pointer, Segment};
use lethe_crds::profile_pipeline::Records;
use rusqlite::{OptionalExtension, Transaction};

use crate::{
    Fault,
    embedded::schema::table::{kind, quoted},
};

/// One column of the view `<table>_fields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewColumn {
    /// Name of the column; unique in the view, ignoring case.
    pub name: String,
    /// Path in the document, in the syntax of SQLite's JSON functions: `$."address"."city"`.
    pub path: String,
}

impl ViewColumn {
    /// Returns the column of a declared field: `/address/city` becomes `address_city`. A field
    /// below `*` is shown as its whole array, as JSON.
    pub fn of(pointer: &Pointer) -> Self {
        let keys: Vec<&str> = pointer
            .segments
            .iter()
            .map_while(|segment| match segment {
                Segment::Key(key) => Some(key.as_str()),
                Segment::Each => None,
            })
            .collect();
        let path = keys
            .iter()
            .fold("$".to_owned(), |path, key| format!("{path}.\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\"")));
        Self { name: keys.join("_"), path }
    }
}

/// Creates `<table>_fields`, or replaces it if the fields have changed. If several columns have the
/// same name, the first one is used.
pub(crate) fn ensure(
    transaction: &Transaction<'_>,
    table: &str,
    records: Records,
    fields: &[ViewColumn],
) -> Result<(), Fault> {
    let view = format!("{table}_fields");
    let sql = definition(&view, table, records, fields);
    match kind(transaction, &view)?.as_deref() {
        None => {}
        Some("view") => {
            let current: Option<String> = transaction
                .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE", [&view], |row| row.get(0))
                .optional()?;
            if current.as_deref() == Some(&sql) {
                return Ok(());
            }
            transaction.execute_batch(&format!("DROP VIEW {}", quoted(&view)))?;
        }
        Some(other) => {
            return Err(Fault::mismatch(format!(
                "{view} is a {other} in this file, where a view of {table}'s fields should be; rename one of them"
            )));
        }
    }
    transaction.execute_batch(&sql)?;
    Ok(())
}

fn definition(view: &str, table: &str, records: Records, fields: &[ViewColumn]) -> String {
    let mut columns = vec!["subject_ref".to_owned(), "event_id".to_owned(), "event_time".to_owned()];
    let mut names = columns.clone();
    for field in fields {
        let name = field.name.to_lowercase();
        if !name.is_empty() && !names.contains(&name) {
            columns.push(format!("{} AS {}", value(&field.path), quoted(&field.name)));
            names.push(name);
        }
    }
    let rows = match records {
        Records::Latest => " WHERE deleted_at IS NULL",
        Records::Append => "",
    };
    format!("CREATE VIEW {} AS SELECT {} FROM {}{rows}", quoted(view), columns.join(", "), quoted(table))
}

/// Returns the SQL of the value at a path. SQLite's JSON functions end a text at U+0000, so there
/// it is read with another character in its place, and so is each escaped backslash, because
/// `\\\\u0000` is no U+0000. The two are noncharacters, which no text should hold.
fn value(path: &str) -> String {
    let path = path.replace('\'', "''");
    if path.contains('\\') {
        // The key of such a path would be replaced, too.
        return format!("json_extract(document, '{path}')");
    }
    format!(
        "CASE WHEN instr(document, '\\u0000') > 0 AND json_type(document, '{path}') = 'text' \
         THEN replace(replace(json_extract(replace(replace(document, '\\\\', '\\ufdd1'), '\\u0000', '\\ufdd0'), '{path}'), \
         char(64976), char(0)), char(64977), '\\') \
         ELSE json_extract(document, '{path}') END"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn column(pointer: &str) -> (String, String) {
        let column = ViewColumn::of(&pointer.parse().unwrap());
        (column.name, column.path)
    }

    #[test]
    fn a_column_is_named_after_the_path_of_its_field() {
        assert_eq!(column("/email"), ("email".into(), "$.\"email\"".into()));
        assert_eq!(column("/address/city"), ("address_city".into(), "$.\"address\".\"city\"".into()));
        assert_eq!(column("/items/*/name"), ("items".into(), "$.\"items\"".into()));
    }

    #[test]
    fn a_text_with_zero_characters_is_shown_whole() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let column = ViewColumn::of(&"/name".parse().unwrap());
        connection.execute_batch("CREATE TABLE people (subject_ref, event_id, event_time, document)").unwrap();
        connection.execute_batch(&definition("people_fields", "people", Records::Append, &[column])).unwrap();
        for name in ["Ada\0Lane", "\0", "7", "", "a\\u0000b", "\\\0\\", "q\"\n\0\\n", "größe\0", "\u{fdd0}"] {
            let document = serde_json::json!({"id": 1, "name": name}).to_string();
            connection.execute("DELETE FROM people", []).unwrap();
            connection.execute("INSERT INTO people VALUES ('', '', '', ?1)", [&document]).unwrap();
            let shown: String = connection.query_row("SELECT name FROM people_fields", [], |row| row.get(0)).unwrap();
            assert_eq!(shown, name, "{document}");
        }
        for (value, expected) in
            [("12.5", "12.5"), ("null", "null"), ("{\"a\\u0000b\":1}", "\"{\\\"a\\\\u0000b\\\":1}\"")]
        {
            let document = format!("{{\"name\":{value},\"x\":\"\\u0000\"}}");
            connection.execute("UPDATE people SET document = ?1", [&document]).unwrap();
            let shown: String =
                connection.query_row("SELECT json_quote(name || '') FROM people_fields", [], |row| row.get(0)).unwrap();
            assert_eq!(shown.trim_matches('"'), expected.trim_matches('"'), "{document}");
        }
    }

    #[test]
    fn sqlite_finds_the_value_of_any_key() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for key in ["plain", "with.dot", "it's", "quo\"te", "back\\slash", "a[0]", "größe", "$"] {
            let document = serde_json::json!({key: 7}).to_string();
            let path = ViewColumn::of(&Pointer { segments: vec![Segment::Key(key.to_owned())] }).path;
            let found: Option<i64> =
                connection.query_row("SELECT json_extract(?1, ?2)", [document, path], |row| row.get(0)).unwrap();
            assert_eq!(found, Some(7), "{key}");
        }
    }
}
