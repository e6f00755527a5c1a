//! The second step: clean and protect the fields once, then write each view.

use super::{
    Engine, Facts, Intent, MAX_EVENT, Record, Scratch, Written,
    change::{Changer, Output},
    detect_json::redact_json,
    document::no_reference,
    read::text_of,
};
use crate::{
    json::unescape,
    reason::{Reason, Rejection},
    record::{Body, Outgoing, OutgoingBatch},
    subject::Subject,
    walk::Act,
};

/// Bytes that the changed values of one event may take. A list of short values grows many times
/// over if each is sealed or becomes a pseudonym for each audience.
const MAX_CHANGED: usize = 4 * MAX_EVENT;

impl Engine {
    /// Writes the event that was read last: appends a record to the batch of each sink, and leaves
    /// the outcome at each in [`Scratch::written`]. Nothing is appended if it is rejected.
    ///
    /// `now` is milliseconds since 1970; `outgoing` has a batch for each sink.
    pub fn write(
        &self,
        record: &Record<'_>,
        facts: Facts,
        subject: &Subject,
        now: i64,
        scratch: &mut Scratch,
        outgoing: &mut [OutgoingBatch],
    ) -> Result<(), Rejection> {
        scratch.written.clear();
        let text = text_of(record);
        scratch.arena.clear();
        scratch.documents.clear();
        scratch.documents.resize(self.views.len(), 0..0);
        if facts.intent == Intent::Write {
            self.protect(text, subject, scratch)?;
        }
        for (sink, batch) in self.sinks.iter().zip(outgoing) {
            let view = &self.views[sink.view];
            let time = view.time(facts.time);
            let expires = sink.max_age.map(|age| time.saturating_add(age));
            if expires.is_some_and(|at| at <= now) {
                scratch.written.push(Written::Expired);
                continue;
            }
            let reference = *subject.reference(view.audience).ok_or_else(no_reference)?;
            let start = batch.bytes.len();
            self.ring.event_id_for(view.audience, &scratch.id, &mut batch.bytes).map_err(|_| no_reference())?;
            let event_id = start..batch.bytes.len();
            let body = match facts.intent {
                Intent::Delete => Body::Delete,
                Intent::Write => {
                    if scratch.documents[sink.view].is_empty() {
                        let start = scratch.arena.len();
                        self.push_document(view, text, facts, &reference, scratch)?;
                        scratch.documents[sink.view] = start..scratch.arena.len();
                    }
                    let document = &scratch.arena[scratch.documents[sink.view].clone()];
                    let start = batch.bytes.len();
                    batch.bytes.extend_from_slice(document);
                    Body::Document(start..batch.bytes.len())
                }
            };
            batch.records.push(Outgoing {
                subject: reference,
                event_id,
                version: facts.version,
                time,
                offset: record.offset,
                expires,
                body,
            });
            scratch.written.push(Written::Appended);
        }
        Ok(())
    }

    /// Cleans and protects every declared field of the tape, once.
    fn protect(&self, text: &str, subject: &Subject, scratch: &mut Scratch) -> Result<(), Rejection> {
        let Scratch { tape, values, arena, id, text: buffer, seal, nonces, .. } = scratch;
        values.clear();
        nonces.clear();
        nonces.resize(self.classes.len(), [None; 4]);
        for item in &tape.items {
            let start = arena.len() as u32;
            let output = match item.act {
                Act::Enter | Act::Copy => Output::Same,
                Act::Detect if !self.detector.is_clean(&unescape(item.key(text))) => Output::Hidden,
                Act::Detect => {
                    redact_json(self.detector, item.value(text), arena);
                    Output::Made(start, arena.len() as u32)
                }
                Act::Change => Changer { engine: self, text, subject, id, buffer, seal, nonces, arena }.change(item)?,
            };
            if arena.len() > MAX_CHANGED {
                return Err(Rejection::whole(Reason::TooLarge));
            }
            values.push(output);
        }
        Ok(())
    }
}
