//! The keys that an object has had so far, to find one that occurs twice.

use std::{collections::HashSet, ops::Range};

/// Objects with more undeclared keys than this get a hash set: the cost of a linear search must not
/// grow with the square of their number.
const MANY: usize = 24;

/// Keys of the objects that are open, innermost last.
#[derive(Default)]
pub(crate) struct SeenKeys {
    /// Named members, one bit each.
    named: Vec<u64>,
    /// Other members: ranges of the input, without quotes.
    others: Vec<Range<usize>>,
}

/// Where the keys of one object begin in the lists.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    named: usize,
    others: usize,
}

/// Keys of one object that has many undeclared ones.
#[derive(Default)]
pub(super) struct ManyKeys(HashSet<String>);

impl SeenKeys {
    pub(super) fn clear(&mut self) {
        self.named.clear();
        self.others.clear();
    }

    /// Opens an object that has this many named members.
    #[inline]
    pub(super) fn open(&mut self, members: usize) -> Mark {
        let mark = Mark { named: self.named.len(), others: self.others.len() };
        self.named.resize(self.named.len() + members.div_ceil(64), 0);
        mark
    }

    #[inline]
    pub(super) fn close(&mut self, mark: Mark) {
        self.named.truncate(mark.named);
        self.others.truncate(mark.others);
    }

    /// Records a named member. Returns `false` if the object already had it.
    #[inline]
    pub(super) fn named(&mut self, mark: Mark, at: usize) -> bool {
        let word = &mut self.named[mark.named + at / 64];
        let bit = 1 << (at % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    #[inline]
    pub(super) fn has(&self, mark: Mark, at: usize) -> bool {
        self.named[mark.named + at / 64] & 1 << (at % 64) != 0
    }

    /// Records another member. Returns `false` if the object already had it. Keys are compared with
    /// their escapes undone.
    pub(super) fn other(&mut self, mark: Mark, text: &str, key: Range<usize>, many: &mut ManyKeys) -> bool {
        let name = crate::json::unescape(&text[key.clone()]);
        let others = &self.others[mark.others..];
        let new = if others.len() < MANY {
            !others.iter().any(|known| {
                let known = &text[known.clone()];
                *known == *name || (known.contains('\\') && crate::json::unescape(known) == name)
            })
        } else {
            if many.0.is_empty() {
                many.0.extend(others.iter().map(|known| crate::json::unescape(&text[known.clone()]).into_owned()));
            }
            many.0.insert(name.into_owned())
        };
        if self.others.len() - mark.others < MANY {
            self.others.push(key);
        }
        new
    }
}
