//! The result of the walk: a flat list of the values that may be written, in the order of the
//! event.

use std::ops::Range;

use crate::{plan::Slot, reason::Rejection, schema::Kind};

use super::keys::SeenKeys;

/// What happens to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// An object or array, some of whose content may be written.
    Enter,
    /// Its text is copied.
    Copy,
    /// A declared field that is cleaned or protected.
    Change,
    /// Undeclared data that is written with what is detected in it redacted.
    Detect,
}

/// A value that may be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// Its key without the quotes; empty for an element of an array.
    pub(crate) key: (u32, u32),
    /// Its text, including quotes.
    pub(crate) value: (u32, u32),
    /// Index of the item after it and everything inside it.
    pub(crate) end: u32,
    /// Index of its field; [`Item::UNDECLARED`] for undeclared data.
    pub(crate) field: u16,
    pub(crate) kind: Kind,
    pub(crate) act: Act,
}

impl Item {
    pub(crate) const UNDECLARED: u16 = u16::MAX;

    pub(crate) fn value<'e>(&self, text: &'e str) -> &'e str {
        &text[self.value.0 as usize..self.value.1 as usize]
    }

    pub(crate) fn key<'e>(&self, text: &'e str) -> &'e str {
        &text[self.key.0 as usize..self.key.1 as usize]
    }
}

/// A value that the engine itself reads.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) slot: Slot,
    pub(crate) kind: Kind,
    pub(crate) value: Range<usize>,
}

/// The result of one walk; its memory is used again for the next event.
#[derive(Default)]
pub(crate) struct Tape {
    pub(crate) items: Vec<Item>,
    pub(crate) found: Vec<Found>,
    /// The first rule that was broken.
    pub(crate) broken: Option<Rejection>,
    pub(super) seen: SeenKeys,
    pub(super) text: String,
}

impl Tape {
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.found.clear();
        self.broken = None;
        self.seen.clear();
    }

    pub(crate) fn find(&self, slot: Slot) -> Option<&Found> {
        self.found.iter().find(|found| found.slot == slot)
    }
}
