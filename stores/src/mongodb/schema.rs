//! Checks that a collection fits a sink, and creates what is absent if Lethe may.

use lethe_crds::profile_pipeline::{Manage, Records};
use mongodb::bson::{Bson, Document, doc};

use crate::{
    Access, Fault,
    mongodb::{
        connect::{MongodbStore, check_concern, write_concern},
        sink::{CollectionOptions, writes::whole},
    },
};

/// An index that a sink needs.
struct Wanted {
    field: &'static str,
    /// The reason, shown to a person who must create the index.
    because: &'static str,
    /// Whether the server removes a document at the date in this field.
    expires: bool,
    /// Whether the index holds only documents that have the field.
    sparse: bool,
}

const SUBJECT: Wanted =
    Wanted { field: "subject_ref", because: "a person's records are found by it", expires: false, sparse: false };
const TIME: Wanted =
    Wanted { field: "event_time", because: "the oldest records are found by it", expires: false, sparse: false };
const EXPIRY: Wanted = Wanted { field: "_expires_at", because: "maxAge is kept by it", expires: true, sparse: false };
const DELETION: Wanted =
    Wanted { field: "_deleted_at", because: "markers of deletions are found by it", expires: false, sparse: true };

fn wanted(records: Records, max_age: Option<i64>) -> Vec<Wanted> {
    let mut all = match records {
        // The `_id` is the reference of the subject, so it needs no further index.
        Records::Latest => vec![TIME],
        Records::Append => vec![SUBJECT, TIME, DELETION],
    };
    if max_age.is_some() {
        all.push(EXPIRY);
    }
    all
}

/// Checks the collection and its indexes, and creates absent ones if that is allowed.
pub(super) async fn ensure(store: &MongodbStore, options: &CollectionOptions, access: Access) -> Result<(), Fault> {
    let (database, name) = (&options.sink.database, &options.sink.collection);
    let may_make = options.sink.manage == Some(Manage::Create);
    let place = format!("{database}.{name}");
    if !is_there(store, database, name).await? {
        match (may_make, access) {
            (true, Access::ReadOnly) => return Ok(()),
            (true, Access::Create) => create(store, database, name).await?,
            (false, _) => {
                return Err(Fault::mismatch(format!(
                    "there is no collection {place}; run db.getSiblingDB({database:?}).createCollection({name:?}), or set \
                     manage: Create"
                )));
            }
        }
    }
    let doing = format!("listIndexes {place}");
    let there = store.all(database, doc! {"listIndexes": name}, &doing).await?;
    let mut problems = Vec::new();
    let mut absent = Vec::new();
    for wanted in wanted(options.records, options.max_age) {
        match look(&wanted, &there) {
            Look::Fits => {}
            Look::Absent => absent.push(wanted),
            Look::Differs(how) => problems.push(format!("{how}; run {}", changing(database, name, &wanted))),
        }
    }
    if !may_make {
        problems.extend(absent.drain(..).map(|wanted| {
            format!("lacks an index on {} ({}); run {}", wanted.field, wanted.because, making(database, name, &wanted))
        }));
        if let Some(last) = problems.last_mut() {
            last.push_str("; or set manage: Create where only indexes are lacking");
        }
    }
    if !problems.is_empty() {
        return Err(Fault::mismatch(format!("collection {place}: {}", problems.join(". It "))));
    }
    if access == Access::Create && !absent.is_empty() {
        make(store, database, name, &absent).await?;
    }
    Ok(())
}

/// Returns whether the collection exists. Fails if a sink can't write to it.
pub(super) async fn is_there(store: &MongodbStore, database: &str, name: &str) -> Result<bool, Fault> {
    let doing = format!("listCollections {database}");
    let found = store.all(database, doc! {"listCollections": 1, "filter": {"name": name}}, &doing).await?;
    let Some(found) = found.into_iter().find(|one| one.get_str("name") == Ok(name)) else { return Ok(false) };
    let kind = found.get_str("type").unwrap_or("collection");
    let options = found.get_document("options").cloned().unwrap_or_default();
    let wrong = if kind != "collection" {
        Some(format!("is a {kind}"))
    } else if options.get_bool("capped") == Ok(true) {
        Some("is capped, so that nothing in it can be deleted".to_owned())
    } else if options.contains_key("collation") {
        Some("has a collation, so that ids of events would be compared as words of a language".to_owned())
    } else {
        None
    };
    match wrong {
        None => Ok(true),
        Some(wrong) => Err(Fault::mismatch(format!("{database}.{name} {wrong}; name another collection"))),
    }
}

pub(super) async fn create(store: &MongodbStore, database: &str, name: &str) -> Result<(), Fault> {
    let doing = format!("create {database}.{name}");
    match store.run(database, doc! {"create": name, "writeConcern": write_concern()}, &doing).await {
        Ok(reply) => check_concern(&reply, &doing),
        // Another process has created it in the meantime.
        Err(_) if is_there(store, database, name).await? => Ok(()),
        Err(fault) => Err(fault),
    }
}

async fn make(store: &MongodbStore, database: &str, name: &str, absent: &[Wanted]) -> Result<(), Fault> {
    let indexes: Vec<Document> = absent.iter().map(Wanted::definition).collect();
    let doing = format!("createIndexes {database}.{name}");
    let command = doc! {"createIndexes": name, "indexes": indexes, "writeConcern": write_concern()};
    check_concern(&store.run_long(database, command, &doing).await?, &doing)
}

impl Wanted {
    fn definition(&self) -> Document {
        let mut index = doc! {"key": {self.field: 1}, "name": format!("{}_1", self.field)};
        index.extend(self.options());
        index
    }

    fn options(&self) -> Document {
        let mut options = Document::new();
        if self.expires {
            options.insert("expireAfterSeconds", 0);
        }
        if self.sparse {
            options.insert("sparse", true);
        }
        options
    }
}

/// Returns the command with which a person creates an index.
fn making(database: &str, name: &str, wanted: &Wanted) -> String {
    let options = wanted.options();
    let options = if options.is_empty() { String::new() } else { format!(", {}", shell(options)) };
    format!(
        "db.getSiblingDB({database:?}).getCollection({name:?}).createIndex({}{options})",
        shell(doc! {wanted.field: 1})
    )
}

/// Returns the command with which a person corrects an index.
fn changing(database: &str, name: &str, wanted: &Wanted) -> String {
    if wanted.expires {
        let index = doc! {"keyPattern": {wanted.field: 1}, "expireAfterSeconds": 0};
        let command = shell(doc! {"collMod": name, "index": index});
        return format!("db.getSiblingDB({database:?}).runCommand({command})");
    }
    making(database, name, wanted)
}

fn shell(document: Document) -> String {
    Bson::Document(document).into_relaxed_extjson().to_string()
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    Fits,
    Absent,
    Differs(String),
}

fn look(wanted: &Wanted, there: &[Document]) -> Look {
    let is_first = |index: &&Document| {
        index.get_document("key").is_ok_and(|key| {
            let first = key.iter().next().filter(|(_, way)| whole(Some(way)).is_some_and(|way| way.abs() == 1));
            first.is_some_and(|(field, _)| field == wanted.field) && (!wanted.expires || key.len() == 1)
        })
    };
    let mut differs = None;
    for index in there.iter().filter(is_first) {
        let name = index.get_str("name").unwrap_or("without a name");
        let seconds = whole(index.get("expireAfterSeconds"));
        let how = if index.get_bool("hidden") == Ok(true) {
            Some("is hidden".to_owned())
        } else if index.contains_key("partialFilterExpression") {
            Some("holds a part of the documents only".to_owned())
        } else {
            match (wanted.expires, seconds) {
                (true, None) => Some("has no expireAfterSeconds, so nothing expires".to_owned()),
                (true, Some(seconds)) if seconds != 0 => {
                    Some(format!("removes documents {seconds} s after that date, and not at it"))
                }
                (false, Some(_)) => Some("removes documents by another age than maxAge".to_owned()),
                (true, Some(_)) | (false, None) => None,
            }
        };
        match how {
            None => return Look::Fits,
            Some(how) => differs = Some(format!("has an index {name} on {} that {how}", wanted.field)),
        }
    }
    differs.map_or(Look::Absent, Look::Differs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_begins_with_the_field_will_do_but_for_expiry() {
        let compound = [doc! {"name": "a", "key": {"event_time": -1, "plan": 1}}];
        assert_eq!(look(&TIME, &compound), Look::Fits);
        assert_eq!(look(&SUBJECT, &compound), Look::Absent);
        let compound = [doc! {"name": "a", "key": {"_expires_at": 1, "plan": 1}}];
        assert_eq!(look(&EXPIRY, &compound), Look::Absent);
    }

    #[test]
    fn an_index_with_other_options_is_named_with_what_differs() {
        let late = [doc! {"name": "ttl", "key": {"_expires_at": 1}, "expireAfterSeconds": 60_i64}];
        let Look::Differs(how) = look(&EXPIRY, &late) else { panic!("it fits") };
        assert!(how.contains("ttl") && how.contains("60 s"), "{how}");
        let never = [doc! {"name": "ttl", "key": {"_expires_at": 1}}];
        assert!(matches!(look(&EXPIRY, &never), Look::Differs(how) if how.contains("nothing expires")));
        let own = [doc! {"name": "age", "key": {"event_time": 1}, "expireAfterSeconds": 60}];
        assert!(matches!(look(&TIME, &own), Look::Differs(how) if how.contains("another age")));
        let part = [doc! {"name": "p", "key": {"subject_ref": 1}, "partialFilterExpression": {"plan": "gold"}}];
        assert!(matches!(look(&SUBJECT, &part), Look::Differs(_)));
    }

    #[test]
    fn what_to_run_can_be_pasted() {
        assert_eq!(
            making("shop", "people", &EXPIRY),
            r#"db.getSiblingDB("shop").getCollection("people").createIndex({"_expires_at":1}, {"expireAfterSeconds":0})"#
        );
    }
}
