//! The second step: fields are cleaned and protected once, then each view is written out.

use std::sync::Arc;

use lethe_crds::profile_pipeline::Audience;

use super::{
    Engine, Facts, Intent, MAX_EVENT, Record, Scratch, Written,
    action::{Action, Rule},
    detect_json::redact_json,
    read::{scalar, text_of},
    view::View,
};
use crate::{
    json::{push_string, unescape},
    protect::mask,
    reason::{Reason, Rejection},
    record::{Body, Outgoing, OutgoingBatch},
    scalar::Scalar,
    schema::Kind,
    seal::{self, SealContext},
    subject::Subject,
    time::rfc3339,
    walk::{Act, Item},
    who::{Reference, canonical, push_hex},
};

/// What an item of the tape became.
#[derive(Clone, Copy)]
pub(super) enum Output {
    /// Its own text.
    Same,
    /// JSON in the arena.
    Made(u32, u32),
    /// A string of hexadecimal digits for each audience, one after the other in the arena.
    Pseudonyms(u32),
    /// It is not shown: its key is personal data.
    Hidden,
}

/// Buffers that a field is changed in.
struct Room<'r> {
    buffer: &'r mut String,
    seal: &'r mut seal::Scratch,
    arena: &'r mut Vec<u8>,
}

/// Bytes that the changed values of one event may take: a list of short values grows many times
/// over when each is sealed or becomes a pseudonym for each audience.
const MAX_CHANGED: usize = 4 * MAX_EVENT;

/// Length of a reference as a JSON string.
const REFERENCE: u32 = 66;

impl Engine {
    /// Writes the event that was read last: appends a record to the batch of each sink, and says
    /// of each sink what became of it. Nothing is appended when it is rejected.
    ///
    /// `now` is milliseconds since 1970; `outgoing` has a batch for each sink.
    #[allow(clippy::too_many_arguments)]
    pub fn write(
        &self,
        record: &Record<'_>,
        facts: Facts,
        subject: &Subject,
        now: i64,
        scratch: &mut Scratch,
        outgoing: &mut [OutgoingBatch],
        written: &mut Vec<Written>,
    ) -> Result<(), Rejection> {
        written.clear();
        let text = text_of(record);
        scratch.arena.clear();
        scratch.documents.clear();
        scratch.documents.resize(self.views.len(), 0..0);
        if facts.intent == Intent::Write {
            self.protect(text, subject, scratch)?;
        }
        for (sink, batch) in self.sinks.iter().zip(outgoing) {
            let expires = sink.max_age.map(|age| facts.time.saturating_add(age));
            if expires.is_some_and(|at| at <= now) {
                written.push(Written::Expired);
                continue;
            }
            let view = &self.views[sink.view];
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
                time: facts.time,
                expires,
                body,
            });
            written.push(Written::Appended);
        }
        Ok(())
    }

    /// Cleans and protects every declared field of the tape, once.
    fn protect(&self, text: &str, subject: &Subject, scratch: &mut Scratch) -> Result<(), Rejection> {
        let Scratch { tape, values, arena, id, text: buffer, seal, .. } = scratch;
        values.clear();
        for item in &tape.items {
            let start = arena.len() as u32;
            let output = match item.act {
                Act::Enter | Act::Copy => Output::Same,
                Act::Detect if !self.detector.is_clean(&unescape(item.key(text))) => Output::Hidden,
                Act::Detect => {
                    redact_json(self.detector, item.value(text), arena);
                    Output::Made(start, arena.len() as u32)
                }
                Act::Change => {
                    let action = &self.actions[usize::from(item.field)];
                    self.change(action, item, text, subject, id, &mut Room { buffer, seal, arena })?
                }
            };
            if arena.len() > MAX_CHANGED {
                return Err(Rejection::whole(Reason::TooLarge));
            }
            values.push(output);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn change(
        &self,
        action: &Action,
        item: &Item,
        text: &str,
        subject: &Subject,
        id: &str,
        room: &mut Room<'_>,
    ) -> Result<Output, Rejection> {
        let raw = item.value(text);
        let start = room.arena.len() as u32;
        let range = item.value.0 as usize..item.value.1 as usize;
        let Some(value) = scalar(text, item.kind, &range) else {
            return self.change_container(action, raw, subject, id, room);
        };
        let value = match &action.cleaner {
            Some(cleaner) => cleaner.apply(value).map_err(|failed| Rejection {
                reason: Reason::CleanFailed,
                rule: Some(failed.step),
                path: Some(Arc::clone(&action.path)),
            })?,
            None => value,
        };
        // Null says nothing of anybody.
        let Some(shown) = value.as_text() else { return Ok(Output::Same) };
        let Room { buffer, arena, .. } = room;
        match &action.rule {
            Rule::Keep => push_scalar(&value, arena),
            Rule::Redact(json) => arena.extend_from_slice(json),
            Rule::Mask { keep_first, keep_last } => {
                buffer.clear();
                mask(&value, *keep_first, *keep_last, buffer).map_err(|failed| failure(action, failed.rule))?;
                push_string(buffer, arena);
            }
            Rule::Hash { domain } => push_quoted_hex(&self.ring.hash(domain, shown), arena),
            Rule::Encrypt { class } if action.cleaner.is_some() => {
                let mut plain = std::mem::take(*buffer).into_bytes();
                plain.clear();
                push_scalar(&value, &mut plain);
                self.seal(*class, action, subject, id, &plain, room)?;
                // What was pushed is JSON text: the room comes back.
                *room.buffer = String::from_utf8(plain).unwrap_or_default();
            }
            Rule::Encrypt { class } => self.seal(*class, action, subject, id, raw.as_bytes(), room)?,
            Rule::Generalize(generalizer) => {
                buffer.clear();
                generalizer.apply(&value, buffer).map_err(|failed| failure(action, failed.rule))?;
                push_string(buffer, arena);
            }
            Rule::Pseudonymize { space, canonical: form } => {
                buffer.clear();
                canonical(&value, *form, self.region.as_deref(), buffer)
                    .map_err(|_| failure(action, action.rule.name()))?;
                let token = self.ring.token(space, buffer);
                for audience in &self.audiences {
                    let reference = self.ring.reference(*audience, &token);
                    push_quoted_hex(&reference.map_err(|_| failure(action, "pseudonymize"))?.0, arena);
                }
                return Ok(Output::Pseudonyms(start));
            }
            Rule::RedactDetected(detector) => push_string(&detector.redact(shown), arena),
        }
        Ok(Output::Made(start, room.arena.len() as u32))
    }

    /// Objects and arrays can be kept, redacted or sealed whole.
    fn change_container(
        &self,
        action: &Action,
        raw: &str,
        subject: &Subject,
        id: &str,
        room: &mut Room<'_>,
    ) -> Result<Output, Rejection> {
        let start = room.arena.len() as u32;
        match &action.rule {
            Rule::Keep if action.cleaner.is_none() => return Ok(Output::Same),
            Rule::Redact(json) => room.arena.extend_from_slice(json),
            Rule::Encrypt { class } if action.cleaner.is_none() => {
                self.seal(*class, action, subject, id, raw.as_bytes(), room)?;
            }
            Rule::Keep
            | Rule::Encrypt { .. }
            | Rule::Mask { .. }
            | Rule::Hash { .. }
            | Rule::Generalize(_)
            | Rule::Pseudonymize { .. }
            | Rule::RedactDetected(_) => return Err(failure(action, action.rule.name())),
        }
        Ok(Output::Made(start, room.arena.len() as u32))
    }

    fn seal(
        &self,
        class: usize,
        action: &Action,
        subject: &Subject,
        id: &str,
        plain: &[u8],
        room: &mut Room<'_>,
    ) -> Result<(), Rejection> {
        let context = SealContext { space: &self.event.space, token: subject.token(), path: &action.path };
        let cipher = subject.cipher(class).ok_or_else(|| failure(action, "encrypt"))?;
        room.arena.push(b'"');
        cipher.seal(&context, id.as_bytes(), plain, room.seal, room.arena).map_err(|_| failure(action, "encrypt"))?;
        room.arena.push(b'"');
        Ok(())
    }

    /// Writes what a view shows, as one JSON object.
    fn push_document(
        &self,
        view: &View,
        text: &str,
        facts: Facts,
        reference: &Reference,
        scratch: &mut Scratch,
    ) -> Result<(), Rejection> {
        let Scratch { tape, values, arena, id, .. } = scratch;
        arena.extend_from_slice(b"{\"subject_ref\":");
        push_quoted_hex(&reference.0, arena);
        arena.extend_from_slice(b",\"event_id\":");
        match view.audience {
            Audience::Identity | Audience::Operational => push_string(id, arena),
            Audience::Analytics | Audience::Public => {
                arena.push(b'"');
                self.ring.event_id_for(view.audience, id, arena).map_err(|_| no_reference())?;
                arena.push(b'"');
            }
        }
        arena.extend_from_slice(b",\"event_time\":\"");
        let mut time = [0; 24];
        let length = rfc3339(facts.time, &mut time);
        arena.extend_from_slice(&time[..length]);
        arena.push(b'"');
        let writer = Writer { engine: self, view, text, items: &tape.items, values };
        if let Some(root) = tape.items.first() {
            writer.contents(1, root.end as usize, Kind::Object, true, arena);
        }
        arena.push(b'}');
        Ok(())
    }
}

/// Writes one view of one event.
struct Writer<'w> {
    engine: &'w Engine,
    view: &'w View,
    text: &'w str,
    items: &'w [Item],
    values: &'w [Output],
}

impl Writer<'_> {
    /// Writes the items from `at` to `end`; answers whether there were any to show.
    fn contents(&self, at: usize, end: usize, kind: Kind, mut more: bool, out: &mut Vec<u8>) -> bool {
        let mut at = at;
        let mut shown = false;
        while at < end {
            let item = &self.items[at];
            let before = out.len();
            if more {
                out.push(b',');
            }
            if kind == Kind::Object {
                out.push(b'"');
                out.extend_from_slice(item.key(self.text).as_bytes());
                out.extend_from_slice(b"\":");
            }
            if self.item(at, item, out) {
                more = true;
                shown = true;
            } else {
                out.truncate(before);
            }
            at = item.end as usize;
        }
        shown
    }

    /// Writes one item; answers whether it is shown. A container of which nothing is shown is not,
    /// unless it goes there itself: what is kept stays what it was, an empty object too.
    fn item(&self, at: usize, item: &Item, out: &mut Vec<u8>) -> bool {
        if item.act == Act::Enter {
            let (open, close) = if item.kind == Kind::Array { (b'[', b']') } else { (b'{', b'}') };
            out.push(open);
            let shown = self.contents(at + 1, item.end as usize, item.kind, false, out);
            out.push(close);
            return shown || self.view.shows(item);
        }
        if !self.view.shows(item) {
            return false;
        }
        match self.values[at] {
            Output::Hidden => return false,
            Output::Same => out.extend_from_slice(item.value(self.text).as_bytes()),
            Output::Made(start, end) => out.extend_from_within(start as usize..end as usize),
            Output::Pseudonyms(start) => {
                let which = self.engine.audiences.iter().position(|known| *known == self.view.audience);
                let start = start + which.unwrap_or_default() as u32 * REFERENCE;
                out.extend_from_within(start as usize..(start + REFERENCE) as usize);
            }
        }
        true
    }
}

fn push_quoted_hex(bytes: &[u8; 32], out: &mut Vec<u8>) {
    out.push(b'"');
    push_hex(bytes, out);
    out.push(b'"');
}

fn push_scalar(value: &Scalar<'_>, out: &mut Vec<u8>) {
    match value {
        Scalar::Null => out.extend_from_slice(b"null"),
        Scalar::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Scalar::Number(text) => out.extend_from_slice(text.as_bytes()),
        Scalar::Text(text) => push_string(text, out),
    }
}

#[cold]
fn failure(action: &Action, rule: &'static str) -> Rejection {
    Rejection { reason: Reason::ProtectFailed, rule: Some(rule), path: Some(Arc::clone(&action.path)) }
}

/// The engine asked for the keys of its audiences when it was made, and the caller makes subjects
/// with them: this is a caller's mistake, and nothing may leave.
#[cold]
fn no_reference() -> Rejection {
    Rejection { reason: Reason::ProtectFailed, rule: Some("reference"), path: None }
}
