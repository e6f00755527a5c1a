//! One place of the compiled tree.

use std::sync::Arc;

use crate::schema::Checks;

/// Index of a node.
pub(crate) type NodeId = u32;

/// The node of everything that neither the schema nor the manifest names.
pub(crate) const ANY: NodeId = 0;

/// A part of an event that the engine itself reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Id,
    Time,
    Sequence,
    Subject,
    /// By its index in the rules.
    Alias(u16),
    Consent,
    Delete,
    /// The subject of an event that is a deletion.
    DeletedSubject,
}

/// One place that the schema or the manifest names.
pub(crate) struct Node {
    /// Where it is, in declared segments.
    pub(crate) path: Arc<str>,
    /// Named members.
    pub(crate) keys: Keys,
    /// The node of every other member.
    pub(crate) other: NodeId,
    /// The node of every element.
    pub(crate) each: NodeId,
    /// Which of `keys` are required, by index.
    pub(crate) required: Box<[u32]>,
    /// The declared field, by its index in the rules.
    pub(crate) field: Option<u16>,
    /// What the engine reads here.
    pub(crate) slots: Box<[Slot]>,
    /// Whether something declared is inside it as a member,
    pub(crate) members: bool,
    /// or as an element.
    pub(crate) elements: bool,
    /// Whether a field is inside it that must not pass unchanged.
    pub(crate) guards: bool,
    /// The checks of the schema.
    pub(crate) checks: Option<Checks>,
}

impl Node {
    pub(crate) fn any() -> Self {
        Self {
            path: Arc::from(""),
            keys: Keys::default(),
            other: ANY,
            each: ANY,
            required: Box::default(),
            field: None,
            slots: Box::default(),
            members: false,
            elements: false,
            guards: false,
            checks: None,
        }
    }
}

/// Named members of an object: name, node.
#[derive(Default)]
pub(crate) struct Keys {
    all: Box<[(Box<str>, NodeId)]>,
    /// Their indices in the order of their names, if there are many.
    sorted: Box<[u32]>,
}

/// Up to this many names, a linear search is faster than a binary one.
const FEW: usize = 24;

impl Keys {
    pub(super) fn new(all: Vec<(Box<str>, NodeId)>) -> Self {
        let mut sorted = Vec::new();
        if all.len() > FEW {
            sorted.extend(0..all.len() as u32);
            sorted.sort_unstable_by(|a, b| all[*a as usize].0.cmp(&all[*b as usize].0));
        }
        Self { all: all.into(), sorted: sorted.into() }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the node of a member, by its index.
    #[inline]
    pub(crate) fn node(&self, at: usize) -> NodeId {
        self.all[at].1
    }

    /// Finds a member. `hint` is its likely index, and is set to the likely index of the next one.
    #[inline]
    pub(crate) fn find(&self, key: &str, hint: &mut usize) -> Option<usize> {
        let same = |(name, _): &(Box<str>, NodeId)| **name == *key;
        let found = if self.all.get(*hint).is_some_and(same) {
            Some(*hint)
        } else if self.sorted.is_empty() {
            // Members usually keep an order, and some are left out.
            let (before, after) = self.all.split_at((*hint).min(self.all.len()));
            after.iter().position(same).map(|at| at + before.len()).or_else(|| before.iter().position(same))
        } else {
            let by_name = |at: &u32| (*self.all[*at as usize].0).cmp(key);
            self.sorted.binary_search_by(by_name).ok().map(|at| self.sorted[at] as usize)
        };
        if let Some(at) = found {
            *hint = at + 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Keys;

    proptest! {
        #[test]
        fn a_member_is_found_in_every_order(
            names in prop::collection::hash_set("[a-c]{1,4}", 0..60),
            asked in prop::collection::vec("[a-c]{1,4}", 0..80),
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let keys = Keys::new(names.iter().map(|name| name.as_str().into()).zip(0..).collect());
            let mut hint = 0;
            for key in asked.iter().chain(&names) {
                prop_assert_eq!(keys.find(key, &mut hint), names.iter().position(|name| name == key));
            }
        }
    }
}
