//! Guarded upserts: many statements per command, with an answer for each.
//!
//! ```text
//! {q: {_id, <the stored document is older>}, u: <the document>, upsert: true}
//! ```
//! An older document is replaced and an absent one is inserted. If a newer one is stored, the
//! filter matches nothing, and the insert conflicts with its `_id`: error 11000. A race of two
//! inserts and a conflict with another unique index cause the same error. To distinguish these
//! cases, the stored version is read.

use std::collections::HashMap;

use lethe_core::{reason::Rejection, record::OutgoingBatch};
use mongodb::bson::{Bson, Document, doc};

use crate::{
    Fault,
    mongodb::{
        connect::{MongodbStore, check_concern, find, push_concern, unreadable},
        encode::{
            buffer::{self, Buffer, Indexes},
            document::{self, Guard, Unfit, Write, refused},
        },
        fault::of_code,
        sink::order::{There, push_older, push_older_version},
    },
};

/// Maximum number of statements and of bytes in one command. A single larger statement is sent
/// alone.
const STATEMENTS: usize = 500;
const BYTES: usize = 8 * 1024 * 1024;
/// Maximum number of IDs in one lookup.
const LOOKED_UP: usize = 1000;

/// A collection, as commands name it.
pub(crate) struct Place {
    pub database: String,
    pub collection: String,
}

impl Place {
    /// Returns a description such as `update shop.people`.
    pub(crate) fn doing(&self, command: &str) -> String {
        format!("{command} {}.{}", self.database, self.collection)
    }
}

/// The result of a write.
pub(crate) enum Verdict {
    Written,
    /// The stored document is not older.
    Stale,
    Refused(Rejection),
}

/// Writes each record whose stored document is older or absent. Returns results in the order of
/// `writes`.
pub(crate) async fn upsert(
    store: &MongodbStore,
    place: &Place,
    batch: &OutgoingBatch,
    writes: &[Write<'_>],
) -> Result<Vec<Verdict>, Fault> {
    let mut verdicts: Vec<Verdict> = writes.iter().map(|_| Verdict::Written).collect();
    let mut pending: Vec<usize> = (0..writes.len()).collect();
    for (filter, is_last) in [(Filter::Version, false), (Filter::Guard, false), (Filter::Guard, true)] {
        let contested = attempt(store, place, batch, writes, filter, &pending, &mut verdicts).await?;
        if contested.is_empty() {
            break;
        }
        let there = there(store, place, contested.iter().map(|&at| writes[at].id.as_str())).await?;
        pending.clear();
        for at in contested {
            let write = &writes[at];
            let is_stale = there.get(&write.id).is_some_and(|there| match write.guard {
                Guard::Order => there.covers(write.order),
                Guard::Version => there.version.is_some_and(|version| version >= write.order.floor),
            });
            if is_stale {
                verdicts[at] = Verdict::Stale;
            } else if is_last {
                verdicts[at] = Verdict::Refused(refused("unique"));
            } else {
                pending.push(at);
            }
        }
    }
    Ok(verdicts)
}

/// Returns version and event ID of the documents with these IDs.
pub(crate) async fn there(
    store: &MongodbStore,
    place: &Place,
    ids: impl Iterator<Item = &str>,
) -> Result<HashMap<String, There>, Fault> {
    let doing = place.doing("find");
    let ids: Vec<&str> = ids.collect();
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(LOOKED_UP) {
        let mut command = find(&place.collection, doc! {"_id": {"$in": ids}});
        command.insert("projection", doc! {"_version": 1, "event_id": 1});
        command.insert("batchSize", LOOKED_UP as i32);
        for document in store.all(&place.database, command, &doing).await? {
            let id = document.get_str("_id").map_err(|_| unreadable(&doing))?;
            found.insert(id.to_owned(), There::of(&document));
        }
    }
    Ok(found)
}

/// How a statement matches an older document.
#[derive(Clone, Copy)]
enum Filter {
    /// Compares only the version. Every server resolves this by the `_id`, while an `$or` makes
    /// some servers scan the collection. An event that ties with the stored one is contested and
    /// tried again.
    Version,
    /// Compares as the guard of the write demands.
    Guard,
}

/// Writes once. Returns the writes that conflicted with a unique index.
async fn attempt(
    store: &MongodbStore,
    place: &Place,
    batch: &OutgoingBatch,
    writes: &[Write<'_>],
    filter: Filter,
    pending: &[usize],
    verdicts: &mut [Verdict],
) -> Result<Vec<usize>, Fault> {
    let doing = place.doing("update");
    let mut contested = Vec::new();
    let mut rest = pending;
    let mut room = 0;
    while !rest.is_empty() {
        let mut command = Command::begin(&place.collection, room);
        let mut taken = 0;
        for &at in rest {
            match command.add(&writes[at], at, filter, batch)? {
                Added::Yes => {}
                Added::Refused(rejection) => verdicts[at] = Verdict::Refused(rejection),
                Added::Full => break,
            }
            taken += 1;
        }
        rest = &rest[taken..];
        // The next command is about as large.
        room = command.out.len() + 1024;
        if command.sent.is_empty() {
            continue;
        }
        let Ended { out, sent } = command.end();
        let reply = store.run_buffer(&place.database, out, &doing).await?;
        for (number, code, name) in errors(&reply, &doing)? {
            let at = *sent.get(number).ok_or_else(|| unreadable(&doing))?;
            match of_statement(code, &name, &doing)? {
                StatementError::Contested => contested.push(at),
                StatementError::Refused(rule) => verdicts[at] = Verdict::Refused(refused(rule)),
            }
        }
        check_concern(&reply, &doing)?;
    }
    Ok(contested)
}

/// An `update` command that is extended statement by statement.
struct Command {
    out: Buffer,
    root: buffer::Open,
    updates: buffer::Open,
    names: Indexes,
    /// For each statement, the index of its write.
    sent: Vec<usize>,
}

enum Added {
    Yes,
    Refused(Rejection),
    Full,
}

struct Ended {
    out: Buffer,
    sent: Vec<usize>,
}

impl Command {
    fn begin(collection: &str, room: usize) -> Self {
        let mut out = Buffer::with_capacity(room);
        let root = out.begin();
        out.text("update", collection);
        out.boolean("ordered", false);
        let updates = out.array("updates");
        Self { out, root, updates, names: Indexes::new(), sent: Vec::new() }
    }

    fn add(&mut self, write: &Write<'_>, at: usize, by: Filter, batch: &OutgoingBatch) -> Result<Added, Fault> {
        if self.sent.len() == STATEMENTS {
            return Ok(Added::Full);
        }
        let before = self.out.len();
        let out = &mut self.out;
        let statement = out.document(self.names.peek());
        let filter = out.document("q");
        out.text("_id", &write.id);
        match (by, write.guard) {
            (Filter::Guard, Guard::Order) => push_older(write.order, out),
            (Filter::Version, _) | (_, Guard::Version) => push_older_version(write.order.floor, out),
        }
        out.end(filter);
        match document::push("u", write, batch, out) {
            Ok(()) => {}
            Err(Unfit::Refused(rejection)) => {
                out.cut(before);
                return Ok(Added::Refused(rejection));
            }
            Err(Unfit::Fault(fault)) => return Err(fault),
        }
        out.boolean("upsert", true);
        out.end(statement);
        if out.len() > BYTES && !self.sent.is_empty() {
            out.cut(before);
            return Ok(Added::Full);
        }
        self.names.step();
        self.sent.push(at);
        Ok(Added::Yes)
    }

    fn end(mut self) -> Ended {
        self.out.end(self.updates);
        push_concern(&mut self.out);
        self.out.end(self.root);
        Ended { out: self.out, sent: self.sent }
    }
}

/// Returns index, code and code name of the failed statements.
pub(crate) fn errors(reply: &Document, doing: &str) -> Result<Vec<(usize, i32, String)>, Fault> {
    let Ok(list) = reply.get_array("writeErrors") else { return Ok(Vec::new()) };
    list.iter()
        .map(|error| match error {
            Bson::Document(error) => {
                let number = whole(error.get("index")).and_then(|number| usize::try_from(number).ok());
                let code = whole(error.get("code")).and_then(|code| i32::try_from(code).ok());
                let name = error.get_str("codeName").unwrap_or_default().to_owned();
                number.zip(code).map(|(number, code)| (number, code, name)).ok_or_else(|| unreadable(doing))
            }
            _ => Err(unreadable(doing)),
        })
        .collect()
}

/// Returns an integer of any numeric BSON type.
pub(crate) fn whole(value: Option<&Bson>) -> Option<i64> {
    match value? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}

/// The meaning of the error of one statement.
#[derive(Debug, PartialEq, Eq)]
enum StatementError {
    /// A unique index already holds the value: that of `_id` or another one.
    Contested,
    /// The document can't be stored, because of this rule.
    Refused(&'static str),
}

/// Only the codes listed here reject a single document. Any other code stops the writes, so that an
/// error of the collection never moves a whole topic to the dead letters.
fn of_statement(code: i32, name: &str, doing: &str) -> Result<StatementError, Fault> {
    match code {
        11000 | 11001 | 12582 => Ok(StatementError::Contested),
        // The validator of the collection rejected it.
        121 => Ok(StatementError::Refused("validation")),
        10334 | 17419 | 17420 => Ok(StatementError::Refused("size")),
        // An index can't hold the value: it is too long, holds two arrays or is not a valid
        // position.
        171 | 16755 | 17280 => Ok(StatementError::Refused("index")),
        // A nested name that this server does not accept.
        52 | 55 | 57 => Ok(StatementError::Refused("name")),
        15 => Ok(StatementError::Refused("depth")),
        _ => Err(of_code(code, name, doing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn only_codes_that_blame_the_document_refuse_it() {
        assert_eq!(of_statement(11000, "DuplicateKey", "x"), Ok(StatementError::Contested));
        assert_eq!(of_statement(121, "DocumentValidationFailure", "x"), Ok(StatementError::Refused("validation")));
        let kind = |code| of_statement(code, "", "update a.b").err().map(|fault| fault.kind);
        assert_eq!(kind(10107), Some(ErrorKind::Unreachable));
        assert_eq!(kind(13), Some(ErrorKind::Rights));
        assert_eq!(kind(2), Some(ErrorKind::Refused));
    }

    #[test]
    fn a_statement_s_error_is_read_without_its_message() {
        let reply = doc! {"writeErrors": [{"index": 3, "code": 11000, "errmsg": "dup key: { _id: \"anna\" }"}]};
        assert_eq!(errors(&reply, "x"), Ok(vec![(3, 11000, String::new())]));
        assert!(errors(&doc! {"writeErrors": [{"code": 1}]}, "x").is_err());
    }
}
