//! Reads the records that a collection holds about one subject.

use std::sync::Arc;

use futures::future::BoxFuture;
use lethe_core::{identity::Reference, pipeline::RESERVED_IN_MONGODB};
use mongodb::bson::{Bson, Document, doc};

use crate::{
    Fault, Records, StoreError, StoredRecord,
    instant::rfc3339,
    mongodb::{
        connect::{MongodbStore, find},
        schema::is_there,
        sink::{CollectionOptions, order::There},
    },
};

/// A reader of a collection that a sink writes.
pub struct MongodbRecords {
    store: Arc<MongodbStore>,
    options: CollectionOptions,
}

impl MongodbRecords {
    /// Creates a reader. Reads return `None` if the collection does not exist.
    pub const fn new(store: Arc<MongodbStore>, options: CollectionOptions) -> Self {
        Self { store, options }
    }

    async fn read(&self, subject: Reference) -> Result<Option<Vec<StoredRecord>>, Fault> {
        use lethe_crds::profile_pipeline::Records as Keep;
        let (database, collection) = (&self.options.sink.database, &self.options.sink.collection);
        if !is_there(&self.store, database, collection).await? {
            return Ok(None);
        }
        let filter = match self.options.records {
            Keep::Latest => doc! {"_id": subject.to_string()},
            Keep::Append => doc! {"subject_ref": subject.to_string()},
        };
        let doing = format!("find {database}.{collection}");
        let mut rows = self.store.all(database, find(collection, filter), &doing).await?;
        rows.sort_by_cached_key(|row| {
            let There { version, id } = There::of(row);
            (version, id)
        });
        Ok(Some(rows.iter().map(stored).collect()))
    }
}

impl Records for MongodbRecords {
    fn records_of(&self, subject: Reference) -> BoxFuture<'_, Result<Option<Vec<StoredRecord>>, StoreError>> {
        Box::pin(async move { self.read(subject).await.map_err(|fault| fault.at(self.store.name())) })
    }
}

fn stored(row: &Document) -> StoredRecord {
    let date = |name: &str| match row.get(name) {
        Some(Bson::DateTime(date)) => Some(rfc3339(date.timestamp_millis())),
        _ => None,
    };
    let (expires_at, deleted_at) = (date("_expires_at"), date("_deleted_at"));
    StoredRecord {
        event_id: row.get_str("event_id").unwrap_or_default().to_owned(),
        event_time: date("event_time").unwrap_or_default(),
        document: deleted_at.is_none().then(|| json(row)),
        expires_at,
        deleted_at,
    }
}

/// Returns the document as JSON, without the fields that Lethe added. Numbers and times have the
/// notation of the record.
fn json(row: &Document) -> String {
    let mut text = String::from("{");
    let fields = row.iter().filter(|(name, _)| !RESERVED_IN_MONGODB.contains(&name.as_str()));
    members(fields, &mut text);
    text
}

fn members<'d>(fields: impl Iterator<Item = (&'d String, &'d Bson)>, text: &mut String) {
    for (at, (name, value)) in fields.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&quoted(name));
        text.push(':');
        push(value, text);
    }
    text.push('}');
}

fn push(value: &Bson, text: &mut String) {
    match value {
        Bson::Document(inner) => {
            text.push('{');
            members(inner.iter(), text);
        }
        Bson::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                push(item, text);
            }
            text.push(']');
        }
        Bson::String(value) => text.push_str(&quoted(value)),
        Bson::DateTime(date) => text.push_str(&quoted(&rfc3339(date.timestamp_millis()))),
        Bson::Int64(number) => text.push_str(&number.to_string()),
        Bson::Double(number) if number.is_finite() => text.push_str(&serde_json::Value::from(*number).to_string()),
        Bson::Decimal128(number) if number.to_string().parse::<f64>().is_ok_and(f64::is_finite) => {
            text.push_str(&number.to_string());
        }
        // Lethe writes no values of other types.
        other => text.push_str(&other.clone().into_relaxed_extjson().to_string()),
    }
}

fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use mongodb::bson::DateTime;

    use super::*;

    #[test]
    fn a_document_comes_back_as_the_record_was() {
        let decimal = Bson::Decimal128("12345678901234567891".parse().unwrap_or_else(|_| panic!("a decimal")));
        let row = doc! {
            "_id": "x", "_version": 5_i64, "_expires_at": DateTime::from_millis(1000), "subject_ref": "x",
            "event_id": "e", "event_time": DateTime::from_millis(0), "a": [1_i64, 0.5, 3.0, "q\"", Bson::Null, true],
            "b": {"_id": decimal},
        };
        let record = stored(&row);
        assert_eq!(record.expires_at.as_deref(), Some("1970-01-01T00:00:01.000Z"));
        assert_eq!(
            record.document.as_deref(),
            Some(
                "{\"subject_ref\":\"x\",\"event_id\":\"e\",\"event_time\":\"1970-01-01T00:00:00.000Z\",\
                 \"a\":[1,0.5,3.0,\"q\\\"\",null,true],\"b\":{\"_id\":12345678901234567891}}"
            )
        );
        let marker = stored(&doc! {"_id": "x", "_deleted_at": DateTime::from_millis(0), "event_id": "d"});
        assert!(marker.document.is_none() && marker.deleted_at.is_some());
    }
}
