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
}

/// One place that the schema or the manifest names.
pub(crate) struct Node {
    /// Where it is, in declared segments.
    pub(crate) path: Arc<str>,
    /// Named members: name, node.
    pub(crate) keys: Box<[(Box<str>, NodeId)]>,
    /// Every other member.
    pub(crate) other: NodeId,
    /// Every element.
    pub(crate) each: NodeId,
    /// Which of `keys` must be there, by index.
    pub(crate) required: Box<[u16]>,
    /// The declared field, by its index in the rules.
    pub(crate) field: Option<u16>,
    /// What the engine reads here.
    pub(crate) slots: Box<[Slot]>,
    /// Whether a declared field or a slot lies inside.
    pub(crate) holds: bool,
    /// What the schema says.
    pub(crate) checks: Option<Checks>,
}

impl Node {
    pub(crate) fn any() -> Self {
        Self {
            path: Arc::from(""),
            keys: Box::default(),
            other: ANY,
            each: ANY,
            required: Box::default(),
            field: None,
            slots: Box::default(),
            holds: false,
            checks: None,
        }
    }

    /// Finds a member; `hint` is where it is likely to be, and becomes where the next one is.
    #[inline]
    pub(crate) fn find(&self, key: &str, hint: &mut usize) -> Option<usize> {
        let found = match self.keys.get(*hint) {
            Some((name, _)) if **name == *key => Some(*hint),
            _ => self.keys.iter().position(|(name, _)| **name == *key),
        };
        if let Some(at) = found {
            *hint = at + 1;
        }
        found
    }
}
