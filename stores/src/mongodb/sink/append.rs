//! Writes every event as a document of its own. A deletion removes the events of its subject that
//! are not newer, and leaves a marker. The marker keeps a replay from writing them again.
//!
//! ```text
//! 1. write the markers of the batch's deletions   guarded like a state: the newest one remains
//! 2. remove the events that they cover            repeated by a replay, which then finds none
//! 3. read the markers of the batch's subjects     only if the collection holds any
//! 4. write the events that no marker covers       guarded by their own version
//! ```
//! If the process is killed between two steps, the whole batch is written again, with the same
//! result.
//!
//! **Known gap.** The events of a subject are written by one worker, the owner of its partition. An
//! old owner may still write while the new one executes a deletion. If the old owner reads the
//! markers (step 3) before the new one writes its marker, and writes its events (step 4) after the
//! new one has removed events (step 2), a covered event remains. It is removed by the next deletion
//! of its subject, when it expires, or by an erasure, which waits until the leases of all writers
//! have ended.

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

/// Maximum number of statements of one `delete` command.
const REMOVALS: usize = 500;

/// Returns the `_id` of the marker of a subject's deletion. No event has this `_id`, because the ID
/// of an event is not empty.
pub(crate) fn marker_id(subject: Reference) -> String {
    format!("{subject}:")
}

/// Writes a batch. `has_markers` caches whether the collection holds markers. The caller keeps it
/// between batches.
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
            // Its document would have the `_id` of the marker.
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

/// The newest deletion of a subject in the batch. Its marker is stored, or a newer one is.
struct Deletion<'b> {
    order: Order<'b>,
    index: usize,
}

/// Removes the documents of each subject that are not newer than its deletion.
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

/// Returns the markers of the batch's subjects. While the collection holds no markers, this costs
/// one query per batch, on an index that holds only markers.
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
