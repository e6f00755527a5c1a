//! Checks of the source.

use lethe_crds::profile_pipeline::{CsvColumn, FileFormat, FileSource, Source, StartFrom};

use super::{
    SourceRules,
    mistake::{Notes, code},
    references::{exactly_one, store},
    surroundings::{StoreKind, Surroundings},
};

/// Returns the rules of the source, if they are valid.
pub(super) fn check(
    source: &Source,
    namespace: &str,
    name: &str,
    around: &dyn Surroundings,
    notes: &mut Notes,
) -> Option<SourceRules> {
    let members = [("kafka", source.kafka.is_some()), ("file", source.file.is_some())];
    exactly_one("spec.source", &members, notes)?;
    if let Some(kafka) = &source.kafka {
        return Some(SourceRules::Kafka {
            store: store("spec.source.kafka", &kafka.store_ref, &[StoreKind::Kafka], around, notes),
            topic: kafka.topic.clone(),
            group: kafka.group.clone().unwrap_or_else(|| format!("lethe.{namespace}.{name}")),
            from_earliest: kafka.start_from.unwrap_or(StartFrom::Earliest) == StartFrom::Earliest,
        });
    }
    source.file.as_ref().and_then(|file| check_file(file, notes))
}

fn check_file(file: &FileSource, notes: &mut Notes) -> Option<SourceRules> {
    let csv = file.csv.clone().unwrap_or_default();
    if file.csv.is_some() && file.format != FileFormat::Csv {
        notes.warn(
            code::SETTING_IDLE,
            "spec.source.file.csv",
            "csv says how CSV is read, and the format is another",
            "remove it, or set format: Csv",
        );
    }
    let columns = csv.columns.unwrap_or_default();
    check_columns(&columns, notes);
    let delimiter = match csv.delimiter.as_deref().map_or(&b","[..], str::as_bytes) {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => *byte,
        _ => {
            notes.refuse(
                code::OUT_OF_RANGE,
                "spec.source.file.csv.delimiter",
                "what separates cells is one ASCII character, and neither a quotation mark nor a line end",
                "write one character, such as ; or a tab",
            );
            return None;
        }
    };
    Some(SourceRules::File { path: file.path.clone(), format: file.format, delimiter, columns })
}

fn check_columns(columns: &[CsvColumn], notes: &mut Notes) {
    let key = |column: &CsvColumn| column.key.clone().unwrap_or_else(|| column.header.clone());
    for (i, column) in columns.iter().enumerate() {
        let here = format!("spec.source.file.csv.columns[{i}]");
        if columns[..i].iter().any(|earlier| earlier.header == column.header) {
            let message = format!("an earlier column has the header {}, too", column.header);
            notes.refuse(code::DUPLICATE_NAME, format!("{here}.header"), message, "keep one of the two");
        } else if columns[..i].iter().any(|earlier| key(earlier) == key(column)) {
            let message = format!("an earlier column becomes {}, too", key(column));
            notes.refuse(code::DUPLICATE_NAME, format!("{here}.key"), message, "give it a key of its own");
        }
    }
}
