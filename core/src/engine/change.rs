//! Cleans and protects one declared field of one event.

use std::sync::Arc;

use super::{
    Engine,
    action::{Action, Rule},
    read::scalar,
};
use crate::{
    identity::{canonical, push_quoted_hex},
    json::push_string,
    keys::audience_index,
    protect::mask,
    reason::{Reason, Rejection},
    scalar::Scalar,
    seal::{self, EventNonce, SealContext},
    subject::Subject,
    walk::Item,
};

/// The output for an item of the tape.
#[derive(Clone, Copy)]
pub(super) enum Output {
    /// Its own text, unchanged.
    Same,
    /// JSON in the arena.
    Made(u32, u32),
    /// JSON for each audience of its field: where the first begins in the arena, and the length of
    /// each, as they are equally long.
    Forms(u32, u32),
    /// It is not written: its key is personal data, or no sink gets its field.
    Hidden,
}

/// Cleans and protects the fields of one event. The output is appended to the arena.
pub(super) struct Changer<'c> {
    pub(super) engine: &'c Engine,
    pub(super) text: &'c str,
    pub(super) subject: &'c Subject,
    pub(super) id: &'c str,
    pub(super) buffer: &'c mut String,
    pub(super) seal: &'c mut seal::Scratch,
    pub(super) nonces: &'c mut [[Option<EventNonce>; 4]],
    pub(super) arena: &'c mut Vec<u8>,
}

impl Changer<'_> {
    /// Changes one item as its field declares.
    pub(super) fn change(&mut self, item: &Item) -> Result<Output, Rejection> {
        let engine = self.engine;
        let action = &engine.actions[usize::from(item.field)];
        let raw = item.value(self.text);
        let start = self.arena.len() as u32;
        let range = item.value.0 as usize..item.value.1 as usize;
        match scalar(self.text, item.kind, &range) {
            None => self.container(action, raw)?,
            Some(value) => {
                let value = match &action.cleaner {
                    Some(cleaner) => cleaner.apply(value).map_err(|failed| Rejection {
                        reason: Reason::CleanFailed,
                        rule: Some(failed.step),
                        path: Some(Arc::clone(&action.path)),
                    })?,
                    None => value,
                };
                self.scalar(action, raw, &value)?;
            }
        }
        let end = self.arena.len() as u32;
        let audiences = action.audiences.len() as u32;
        Ok(match action.rule {
            _ if audiences == 0 => Output::Hidden,
            // Null holds no personal data, and a kept value is copied: nothing was written.
            _ if end == start => Output::Same,
            Rule::Encrypt { .. } | Rule::Pseudonymize { .. } => Output::Forms(start, (end - start) / audiences),
            Rule::Keep
            | Rule::Redact(_)
            | Rule::Mask { .. }
            | Rule::Hash { .. }
            | Rule::Generalize(_)
            | Rule::RedactDetected(_) => Output::Made(start, end),
        })
    }

    fn scalar(&mut self, action: &Action, raw: &str, value: &Scalar<'_>) -> Result<(), Rejection> {
        let engine = self.engine;
        let Some(shown) = value.as_text() else { return Ok(()) };
        self.buffer.clear();
        match &action.rule {
            Rule::Keep => push_scalar(value, self.arena),
            Rule::Redact(json) => self.arena.extend_from_slice(json),
            Rule::Mask { keep_first, keep_last } => {
                mask(value, *keep_first, *keep_last, self.buffer).map_err(|failed| failure(action, failed.rule))?;
                push_string(self.buffer, self.arena);
            }
            Rule::Hash { domain } => push_quoted_hex(&engine.ring.hash(domain, shown), self.arena),
            Rule::Encrypt { class } if action.cleaner.is_some() => {
                let mut plain = std::mem::take(self.buffer).into_bytes();
                push_scalar(value, &mut plain);
                self.seal(*class, action, &plain)?;
                // The buffer holds JSON text again, so its memory can be used again.
                *self.buffer = String::from_utf8(plain).unwrap_or_default();
            }
            Rule::Encrypt { class } => self.seal(*class, action, raw.as_bytes())?,
            Rule::Generalize(generalizer) => {
                generalizer.apply(value, self.buffer).map_err(|failed| failure(action, failed.rule))?;
                push_string(self.buffer, self.arena);
            }
            Rule::Pseudonymize { space, canonical: form } => {
                let fails = || failure(action, action.rule.name());
                canonical(value, *form, engine.event.canonical_version, engine.region.as_deref(), self.buffer)
                    .map_err(|_| fails())?;
                let token = engine.ring.token(space, self.buffer);
                for audience in &action.audiences {
                    let reference = engine.ring.reference(*audience, &token).map_err(|_| fails())?;
                    push_quoted_hex(&reference.0, self.arena);
                }
            }
            Rule::RedactDetected(detector) => {
                let redacted = match value {
                    Scalar::Number(_) => detector.redact_number(shown),
                    Scalar::Null | Scalar::Bool(_) | Scalar::Text(_) => detector.redact(shown),
                };
                push_string(&redacted, self.arena);
            }
        }
        Ok(())
    }

    /// Objects and arrays can be kept, redacted or sealed as a whole.
    fn container(&mut self, action: &Action, raw: &str) -> Result<(), Rejection> {
        match &action.rule {
            Rule::Keep if action.cleaner.is_none() => Ok(()),
            Rule::Redact(json) => {
                self.arena.extend_from_slice(json);
                Ok(())
            }
            Rule::Encrypt { class } if action.cleaner.is_none() => self.seal(*class, action, raw.as_bytes()),
            Rule::Keep
            | Rule::Encrypt { .. }
            | Rule::Mask { .. }
            | Rule::Hash { .. }
            | Rule::Generalize(_)
            | Rule::Pseudonymize { .. }
            | Rule::RedactDetected(_) => Err(failure(action, action.rule.name())),
        }
    }

    /// Seals a value once for each audience of its field.
    fn seal(&mut self, class: usize, action: &Action, plain: &[u8]) -> Result<(), Rejection> {
        let fails = || failure(action, action.rule.name());
        let (space, token) = (&self.engine.event.space, self.subject.token());
        let cipher = self.subject.cipher(class).ok_or_else(fails)?;
        for &audience in &action.audiences {
            let nonce = *self.nonces[class][audience_index(audience)]
                .get_or_insert_with(|| cipher.event_nonce(audience, self.id.as_bytes()));
            let context = SealContext { space, token, audience, path: &action.path };
            self.arena.push(b'"');
            cipher.seal(&context, nonce, plain, self.seal, self.arena).map_err(|_| fails())?;
            self.arena.push(b'"');
        }
        Ok(())
    }
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
