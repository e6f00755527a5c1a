//! Surveys events that no manifest describes yet: the paths, kinds and counts of personal data in
//! them.
//!
//! A survey stores no values. It stores the keys of objects, since paths consist of them, but not
//! keys that are data themselves (see `names`). Their number is bounded.

mod names;
mod path_tree;
mod prose;
mod report;
mod suggest;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lethe_core::{
    detect::{DetectKind, Detector, Finding},
    reason::Reason,
};
use serde::Serialize;

pub use report::{BY_NAME, Detection, Location, Report};
pub use suggest::{Protection, Suggestion};

use path_tree::{PathTree, ROOT};

/// All kinds that are detected.
const KINDS: [DetectKind; 6] =
    [DetectKind::Email, DetectKind::Phone, DetectKind::Card, DetectKind::Iban, DetectKind::Ipv4, DetectKind::Ipv6];

/// Returns the name of a kind in answers.
const fn kind_name(kind: DetectKind) -> &'static str {
    match kind {
        DetectKind::Email => "email",
        DetectKind::Phone => "phone",
        DetectKind::Card => "card",
        DetectKind::Iban => "iban",
        DetectKind::Ipv4 => "ipv4",
        DetectKind::Ipv6 => "ipv6",
    }
}

/// Numbers of events by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All events.
    pub events: u64,
    /// JSON objects and arrays.
    pub json: u64,
    /// Other UTF-8, which is searched as one text.
    pub text: u64,
    /// Events that could not be read. They are not searched.
    pub unreadable: u64,
    /// Events with more paths than are tracked. Findings at the other paths are counted without
    /// their path.
    pub crowded: u64,
}

/// Searches events one by one.
pub struct Survey {
    detector: Detector,
    /// Findings in one text. Kept to reuse its allocation.
    found: Vec<Finding>,
    tree: PathTree,
    counts: Counts,
    /// Events that could not be read, by reason.
    unreadable: BTreeMap<Reason, u64>,
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            detector: Detector::new(&[]),
            found: Vec::new(),
            tree: PathTree::default(),
            counts: Counts::default(),
            unreadable: BTreeMap::new(),
        }
    }
}

impl Survey {
    /// Searches an event: a JSON object or array, or else one text.
    pub fn read(&mut self, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return self.skip(Reason::InvalidUtf8) };
        self.begin();
        if is_document(text) {
            self.counts.json += 1;
            // The text was parsed before, so parsing can't fail.
            let done = walk::through(Some(self), text);
            debug_assert!(done.is_ok());
        } else {
            self.counts.text += 1;
            self.search_text(ROOT, text);
        }
        self.counts.crowded += u64::from(self.tree.has_overflowed());
    }

    /// Counts an event that can't be read.
    pub fn skip(&mut self, reason: Reason) {
        self.begin();
        self.counts.unreadable += 1;
        *self.unreadable.entry(reason).or_default() += 1;
    }

    /// Returns the findings so far.
    pub fn report(&self) -> Report {
        Report::new(self.counts, &self.unreadable, &self.tree)
    }

    fn begin(&mut self) {
        self.counts.events += 1;
        self.tree.begin(self.counts.events);
    }

    /// Searches a text at a node.
    fn search_text(&mut self, node: usize, text: &str) {
        self.detector.find(text, &mut self.found);
        self.tree.add_text(node, text, &self.found);
    }

    /// Returns the node of a member of an object.
    fn member(&mut self, node: usize, key: &str) -> usize {
        if let Some(known) = self.tree.known(node, key) {
            return known;
        }
        self.detector.find(key, &mut self.found);
        if !self.found.is_empty() || names::is_data(key) {
            self.tree.convert_to_map(node);
        }
        let member = self.tree.member(node, key);
        self.tree.add_key(member, &self.found);
        member
    }
}

/// Returns whether a text is exactly one JSON object or array.
fn is_document(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '[']) && walk::through(None, text).is_ok()
}
