//! Every event, a document each; a deletion removes those of its subject that are not newer, and
//! leaves a marker that keeps a replay from bringing them back.
//!
//! ```text
//! 1. markers of the batch's deletions     guarded like a state: the newest stands
//! 2. what they cover is removed           again on a replay, which finds nothing
//! 3. markers of the batch's subjects      are read, where the collection has any
//! 4. events that no marker covers         are written, guarded by their own version
//! ```
//! Killed between two steps, the batch is written again whole and ends the same.
//!
//! **What is left open.** A subject's events come to one worker, as its partition does. If an old
//! owner of the partition still writes while the new one carries out a deletion, an event that passed
//! step 3 before the marker stood, and step 4 after step 2 of the other, stays although it is covered.
//! It goes with the next deletion of its subject, at its expiry, or with an erasure, which waits for
//! every writer's lease.

use std::collections::HashMap;

use lethe_core::{
    identity::Reference,
    outcome::Outcome,
    record::{Body, OutgoingBatch},
};
use mongodb::bson::doc;

use crate::{
    Answer, Fault,
    mongodb::{
        connect::{MongodbStore, check_concern, find, push_concern},
        encode::{
            buffer::{Buffer, Indexes},
            document::{Guard, Write, order, refused},
        },
        fault::of_code,
        sink::{
            latest::{settle, written},
            order::{Order, There, push_not_newer},
            writes::{self, Place, Verdict, upsert},
        },
    },
};

/// Statements of one `delete` command, at most.
const REMOVALS: usize = 500;

/// `_id` of the marker of a subject's deletion. No event has it: an event's id is not empty.
pub(crate) fn marker_id(subject: Reference) -> String {
    format!("{subject}:")
}

/// Writes a batch. `has_markers` is what was learned of the collection, and is kept by the caller.
pub(crate) async fn write(
    store: &MongodbStore,
    place: &Place,
    batch: &OutgoingBatch,
    has_markers: &mut bool,
) -> Result<Vec<Answer>, Fault> {
    let mut answers: Vec<Answer> = batch.records.iter().map(|_| Ok(Outcome::Stale)).collect();
    let deletions = || (0..batch.records.len()).filter(|&index| batch.records[index].body == Body::Delete);
    let mut deleted: HashMap<Reference, Deletion<'_>> = HashMap::new();
    if deletions().next().is_some() {
        *has_markers = true;
        settle(store, place, batch, deletions(), marker_id, &mut answers).await?;
        for index in deletions().filter(|&index| answers[index].is_ok()) {
            let record = &batch.records[index];
            let order = order(batch, record)?;
            let newest = deleted.entry(record.subject).or_insert(Deletion { order, index });
            if order > newest.order {
                *newest = Deletion { order, index };
            }
        }
        remove(store, place, &deleted).await?;
    }
    let mut writes = Vec::with_capacity(batch.records.len());
    let markers = markers(store, place, batch, has_markers).await?;
    for (index, record) in batch.records.iter().enumerate() {
        if record.body == Body::Delete {
            continue;
        }
        let order = order(batch, record)?;
        if order.id.is_empty() {
            // Its document would have the marker's `_id`.
            answers[index] = Err(refused("id"));
            continue;
        }
        if markers.get(&record.subject).is_some_and(|marker| marker.covers(order)) {
            let came_before = deleted
                .get(&record.subject)
                .is_some_and(|by| index < by.index && order <= by.order && answers[by.index] == Ok(Outcome::Deleted));
            answers[index] = Ok(if came_before { Outcome::Superseded } else { Outcome::Stale });
            continue;
        }
        let id = format!("{}:{}", record.subject, order.id);
        writes.push(Write { index, record, id, order, guard: Guard::Version });
    }
    let verdicts = upsert(store, place, batch, &writes).await?;
    for (write, verdict) in writes.iter().zip(verdicts) {
        answers[write.index] = match verdict {
            Verdict::Written => Ok(written(write.record)),
            Verdict::Stale => Ok(Outcome::Stale),
            Verdict::Refused(rejection) => Err(rejection),
        };
    }
    Ok(answers)
}

/// A deletion of the batch that stands, or that a newer one covers.
struct Deletion<'b> {
    order: Order<'b>,
    index: usize,
}

/// Removes documents of each subject that are not newer than its deletion.
async fn remove(store: &MongodbStore, place: &Place, deleted: &HashMap<Reference, Deletion<'_>>) -> Result<(), Fault> {
    let doing = place.doing("delete");
    let deleted: Vec<_> = deleted.iter().collect();
    for some in deleted.chunks(REMOVALS) {
        let mut out = Buffer::default();
        let root = out.begin();
        out.text("delete", &place.collection);
        out.boolean("ordered", false);
        let deletes = out.array("deletes");
        let mut names = Indexes::new();
        for (subject, deletion) in some {
            let statement = out.document(names.peek());
            names.step();
            let filter = out.document("q");
            out.text("subject_ref", &subject.to_string());
            let no_marker = out.document("_id");
            out.text("$ne", &marker_id(**subject));
            out.end(no_marker);
            push_not_newer(deletion.order, &mut out);
            out.end(filter);
            out.int64("limit", 0);
            out.end(statement);
        }
        out.end(deletes);
        push_concern(&mut out);
        out.end(root);
        let reply = store.run_buffer(&place.database, out, &doing).await?;
        if let Some((_, code, name)) = writes::errors(&reply, &doing)?.into_iter().next() {
            return Err(of_code(code, &name, &doing));
        }
        check_concern(&reply, &doing)?;
    }
    Ok(())
}

/// The markers of the batch's subjects. While the collection has none at all, that is asked once a
/// batch, of an index that holds markers only.
async fn markers(
    store: &MongodbStore,
    place: &Place,
    batch: &OutgoingBatch,
    has_markers: &mut bool,
) -> Result<HashMap<Reference, There>, Fault> {
    if !*has_markers {
        let mut command = find(&place.collection, doc! {"_deleted_at": {"$exists": true}});
        command.insert("projection", doc! {"_id": 1});
        command.insert("limit", 1);
        command.insert("singleBatch", true);
        *has_markers = !store.all(&place.database, command, &place.doing("find")).await?.is_empty();
    }
    if !*has_markers {
        return Ok(HashMap::new());
    }
    let mut subjects: Vec<Reference> =
        batch.records.iter().filter(|record| record.body != Body::Delete).map(|record| record.subject).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let ids: Vec<String> = subjects.iter().map(|subject| marker_id(*subject)).collect();
    let mut there = writes::there(store, place, ids.iter().map(String::as_str)).await?;
    let found = subjects.into_iter().zip(&ids).filter_map(|(subject, id)| Some((subject, there.remove(id)?)));
    Ok(found.collect())
}
