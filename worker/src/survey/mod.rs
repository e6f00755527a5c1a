//! What personal data lies where in events that nobody has described yet: paths, kinds and counts.
//!
//! A survey keeps no value. It keeps keys, which are what its paths are made of, but for those that are
//! data themselves (see `names`), and no more than so many, whatever the events hold.

mod names;
mod path_tree;
mod report;
mod suggest;
mod walk;

#[cfg(test)]
mod tests;

use lethe_core::detect::{DetectKind, Detector, Finding};
use serde::Serialize;

pub use report::{Detection, Location, Report};
pub use suggest::{Protection, Suggestion};

use path_tree::{PathTree, ROOT};

/// Every kind that detection knows.
const KINDS: [DetectKind; 6] =
    [DetectKind::Email, DetectKind::Phone, DetectKind::Card, DetectKind::Iban, DetectKind::Ipv4, DetectKind::Ipv6];

/// What a kind is called in an answer.
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

/// How many events were read, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All of them.
    pub events: u64,
    /// Of those, JSON objects and arrays.
    pub json: u64,
    /// Of those, anything else that is UTF-8: searched as one text.
    pub text: u64,
    /// Of those, bytes that are not UTF-8, and what was too long to be read: not searched.
    pub unreadable: u64,
    /// Of those, events with more paths than are kept apart: what was found at the others is counted
    /// without its path.
    pub crowded: u64,
}

/// Looks through events, one after the other.
pub struct Survey {
    detector: Detector,
    /// What was found in one text; kept for its room.
    found: Vec<Finding>,
    tree: PathTree,
    counts: Counts,
}

impl Default for Survey {
    fn default() -> Self {
        Self { detector: Detector::new(&[]), found: Vec::new(), tree: PathTree::default(), counts: Counts::default() }
    }
}

impl Survey {
    /// Looks through an event: a JSON object or array, or else one text.
    pub fn read(&mut self, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return self.skip() };
        self.begin();
        if is_document(text) {
            self.counts.json += 1;
            // It was read once before: nothing fails any more.
            let done = walk::through(Some(self), text);
            debug_assert!(done.is_ok());
        } else {
            self.counts.text += 1;
            self.look(ROOT, text);
        }
        self.counts.crowded += u64::from(self.tree.has_overflowed());
    }

    /// Counts an event that can't be read.
    pub fn skip(&mut self) {
        self.begin();
        self.counts.unreadable += 1;
    }

    /// What was found so far.
    pub fn report(&self) -> Report {
        Report::new(self.counts, &self.tree)
    }

    fn begin(&mut self) {
        self.counts.events += 1;
        self.tree.begin(self.counts.events);
    }

    /// Looks through a text at a node.
    fn look(&mut self, node: usize, text: &str) {
        self.detector.find(text, &mut self.found);
        self.tree.add_text(node, text, &self.found);
    }

    /// The node of a member of an object.
    fn member(&mut self, node: usize, key: &str) -> usize {
        if let Some(known) = self.tree.known(node, key) {
            return known;
        }
        self.detector.find(key, &mut self.found);
        if !self.found.is_empty() || names::is_data(key) {
            self.tree.open(node);
        }
        let member = self.tree.member(node, key);
        self.tree.add_key(member, &self.found);
        member
    }
}

/// Whether a text is a JSON object or array, whole and nothing else.
fn is_document(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '[']) && walk::through(None, text).is_ok()
}
