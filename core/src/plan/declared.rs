//! The declarations of the manifest, as a tree.

use std::collections::BTreeMap;

use super::{FieldUse, Slot};
use crate::{
    pipeline::Pipeline,
    pointer::{Pointer, Segment},
};

/// A place that the manifest names, or one on the way to it.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) field: Option<u16>,
    pub(super) slots: Vec<Slot>,
    /// In the order of the manifest, which is probably that of the event.
    pub(super) order: Vec<String>,
    pub(super) keys: BTreeMap<String, Declared>,
    pub(super) each: Option<Box<Declared>>,
}

impl Declared {
    pub(super) fn new(pipeline: &Pipeline) -> Self {
        let mut root = Self::default();
        for (at, field) in (0..).zip(&pipeline.fields) {
            root.place(&field.path).field = Some(at);
        }
        let event = &pipeline.event;
        root.place(&event.subject).slots.push(Slot::Subject);
        for (at, alias) in (0..).zip(&event.aliases) {
            root.place(&alias.path).slots.push(Slot::Alias(at));
        }
        let slots = [
            (event.id.as_ref(), Slot::Id),
            (event.time.as_ref(), Slot::Time),
            (event.sequence.as_ref(), Slot::Sequence),
            (event.delete_when.as_ref().map(|(path, _)| path), Slot::Delete),
            (event.deleted_subject.as_ref(), Slot::DeletedSubject),
            (pipeline.consent.as_ref().map(|consent| &consent.path), Slot::Consent),
        ];
        for (path, slot) in slots {
            if let Some(path) = path {
                root.place(path).slots.push(slot);
            }
        }
        root
    }

    /// Returns whether a field is inside it that must not pass unchanged.
    pub(super) fn guards(&self, fields: &[FieldUse]) -> bool {
        self.keys.values().chain(self.each.as_deref()).any(|inner| {
            inner.field.is_some_and(|field| fields[usize::from(field)] != FieldUse::Copy) || inner.guards(fields)
        })
    }

    fn place(&mut self, path: &Pointer) -> &mut Self {
        path.segments.iter().fold(self, |place, segment| match segment {
            Segment::Key(key) => {
                if !place.keys.contains_key(key) {
                    place.order.push(key.clone());
                }
                place.keys.entry(key.clone()).or_default()
            }
            Segment::Each => place.each.get_or_insert_default(),
        })
    }
}
