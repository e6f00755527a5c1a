//! Writes the newest record of each subject under one `_id` per subject. These are the states of a
//! `Latest` collection and the deletions of an `Append` collection.

use std::{cmp::Reverse, ops::Range};

use lethe_core::{
    identity::Reference,
    outcome::Outcome,
    record::{Body, Outgoing, OutgoingBatch},
};

use crate::{
    Answer, Fault,
    mongodb::{
        connect::MongodbStore,
        encode::document::{Guard, Write, order},
        sink::{
            order::Order,
            writes::{Place, Verdict, upsert},
        },
    },
};

/// Sorts by subject and then by order. If an event is in the batch twice, its first record sorts
/// last, so that it is written.
type Key<'b> = (Reference, Order<'b>, Reverse<usize>);

/// Writes the newest of the `chosen` records of each subject, and sets the answers of all of them.
///
/// The records that it replaces are `Superseded`, or `Stale` if they hold the same event. All of
/// them are `Stale` if the stored document is not older. If the store refuses the newest record,
/// the one before it is written.
pub(crate) async fn settle(
    store: &MongodbStore,
    place: &Place,
    batch: &OutgoingBatch,
    chosen: impl Iterator<Item = usize>,
    id_of: impl Fn(Reference) -> String,
    answers: &mut [Answer],
) -> Result<(), Fault> {
    let mut keys: Vec<Key<'_>> = chosen
        .map(|index| {
            let record = &batch.records[index];
            Ok((record.subject, order(batch, record)?, Reverse(index)))
        })
        .collect::<Result<_, Fault>>()?;
    keys.sort_unstable();
    let mut groups = groups(&keys);
    while !groups.is_empty() {
        let writes: Vec<Write<'_>> = groups
            .iter()
            .map(|group| {
                let (subject, order, Reverse(index)) = keys[group.end - 1];
                Write { index, record: &batch.records[index], id: id_of(subject), order, guard: Guard::Order }
            })
            .collect();
        let verdicts = upsert(store, place, batch, &writes).await?;
        let mut again = Vec::new();
        for ((write, mut group), verdict) in writes.iter().zip(groups).zip(verdicts) {
            let others = group.start..group.end - 1;
            match verdict {
                Verdict::Written => {
                    for (_, order, Reverse(index)) in &keys[others] {
                        let is_again = *order == write.order;
                        answers[*index] = Ok(if is_again { Outcome::Stale } else { Outcome::Superseded });
                    }
                    answers[write.index] = Ok(written(write.record));
                }
                Verdict::Stale => {
                    for (_, _, Reverse(index)) in &keys[group] {
                        answers[*index] = Ok(Outcome::Stale);
                    }
                }
                Verdict::Refused(rejection) => {
                    answers[write.index] = Err(rejection);
                    group.end -= 1;
                    if !group.is_empty() {
                        again.push(group);
                    }
                }
            }
        }
        groups = again;
    }
    Ok(())
}

pub(crate) const fn written(record: &Outgoing) -> Outcome {
    match record.body {
        Body::Document(_) => Outcome::Delivered,
        Body::Delete => Outcome::Deleted,
    }
}

/// Returns the range of keys of each subject.
fn groups(keys: &[Key<'_>]) -> Vec<Range<usize>> {
    let mut end = 0;
    keys.chunk_by(|a, b| a.0 == b.0)
        .map(|group| {
            let start = end;
            end += group.len();
            start..end
        })
        .collect()
}
