//! The paths of events as a tree of bounded size, with what was found at each.

use std::collections::HashMap;

use lethe_core::detect::Finding;

use super::{KINDS, prose::is_prose};

/// The event itself.
pub(super) const ROOT: usize = 0;
/// The node for all paths beyond the capacity of the tree, and everything below them.
pub(super) const OVERFLOW: usize = 1;

/// The capacity of the tree.
pub(super) const MAX_NODES: usize = 10_000;
/// An object with more keys than this is treated as a map, whose keys are data.
pub(super) const MAX_KEYS: usize = 256;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The root, or the overflow node.
    None,
    /// A member of an object.
    Key(Box<str>),
    /// All elements of an array.
    Element,
    /// All members of a map.
    Member,
}

/// Counts of one kind at a node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Events with a finding.
    pub(super) events: u64,
    /// Texts that consist of the finding alone.
    pub(super) whole: u64,
    /// The last event with a finding.
    last: u64,
}

impl Tally {
    fn add(&mut self, event: u64) {
        self.events += u64::from(self.last != event);
        self.last = event;
    }
}

/// A node of the tree.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: usize,
    pub(super) step: Step,
    /// Members by key. In a map, all members share one node instead.
    members: HashMap<Box<str>, usize>,
    map: bool,
    /// The shared node of all elements, and of all members of a map.
    element: Option<usize>,
    member: Option<usize>,
    /// Texts at this node, events with such a text, and the last of these events.
    pub(super) texts: u64,
    pub(super) events: u64,
    last: u64,
    /// Texts that are sentences.
    pub(super) prose: u64,
    /// Findings by kind: in texts, and in the key that leads to the node.
    pub(super) found: [Tally; 6],
    pub(super) in_key: [Tally; 6],
}

impl Node {
    fn new(parent: usize, step: Step) -> Self {
        Self {
            parent,
            step,
            members: HashMap::new(),
            map: false,
            element: None,
            member: None,
            texts: 0,
            events: 0,
            last: 0,
            prose: 0,
            found: [Tally::default(); 6],
            in_key: [Tally::default(); 6],
        }
    }
}

/// A tree of paths, stored as a list of nodes.
#[derive(Debug)]
pub(super) struct PathTree {
    all: Vec<Node>,
    /// Nodes that were merged into another and can be reused.
    free: Vec<usize>,
    /// The number of the current event, and whether it has paths beyond the capacity.
    event: u64,
    overflowed: bool,
}

impl Default for PathTree {
    fn default() -> Self {
        Self {
            all: vec![Node::new(ROOT, Step::None), Node::new(OVERFLOW, Step::None)],
            free: Vec::new(),
            event: 0,
            overflowed: false,
        }
    }
}

impl PathTree {
    /// Starts the next event.
    pub(super) fn begin(&mut self, event: u64) {
        self.event = event;
        self.overflowed = false;
    }

    /// Returns whether the current event has paths beyond the capacity.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Returns a node.
    pub(super) fn get(&self, node: usize) -> &Node {
        &self.all[node]
    }

    /// Returns every node. A merged node is empty.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.all.iter().enumerate()
    }

    /// Returns the node of a member with a known key. Returns `None` in a map, whose keys are
    /// searched every time.
    pub(super) fn known(&self, node: usize, key: &str) -> Option<usize> {
        if node == OVERFLOW { None } else { self.all[node].members.get(key).copied() }
    }

    /// Returns the node of a member, and adds it if needed.
    pub(super) fn member(&mut self, node: usize, key: &str) -> usize {
        if !self.all[node].map && self.all[node].members.len() >= MAX_KEYS {
            self.convert_to_map(node);
        }
        if self.all[node].map {
            return match self.all[node].member {
                Some(member) => member,
                None => {
                    let member = self.add(node, Step::Member);
                    self.all[node].member = Some(member).filter(|member| *member != OVERFLOW);
                    member
                }
            };
        }
        let member = self.add(node, Step::Key(key.into()));
        if member != OVERFLOW {
            self.all[node].members.insert(key.into(), member);
        }
        member
    }

    /// Returns the node of the elements of an array.
    pub(super) fn element(&mut self, node: usize) -> usize {
        match self.all[node].element {
            Some(element) => element,
            None => {
                let element = self.add(node, Step::Element);
                self.all[node].element = Some(element).filter(|element| *element != OVERFLOW);
                element
            }
        }
    }

    fn add(&mut self, parent: usize, step: Step) -> usize {
        if parent == OVERFLOW {
            return OVERFLOW;
        }
        let node = Node::new(parent, step);
        if let Some(at) = self.free.pop() {
            self.all[at] = node;
            return at;
        }
        if self.all.len() >= MAX_NODES {
            self.overflowed = true;
            return OVERFLOW;
        }
        self.all.push(node);
        self.all.len() - 1
    }

    /// Turns the object at a node into a map, and merges the nodes of its members.
    pub(super) fn convert_to_map(&mut self, node: usize) {
        if node == OVERFLOW || self.all[node].map {
            return;
        }
        self.all[node].map = true;
        let mut members: Vec<usize> = std::mem::take(&mut self.all[node].members).into_values().collect();
        // In order of insertion, so that the result doesn't depend on the order of a hash map.
        members.sort_unstable();
        let mut members = members.into_iter();
        let Some(first) = members.next() else { return };
        self.all[first].step = Step::Member;
        self.all[node].member = Some(first);
        for member in members {
            self.merge(member, first);
        }
    }

    /// Moves the counts and children of one node into another. An event that had both is counted
    /// twice, since it is no longer known which events had both.
    fn merge(&mut self, from: usize, into: usize) {
        let parent = self.all[into].parent;
        let Node { members, element, member, texts, events, last, prose, found, in_key, map, .. } =
            std::mem::replace(&mut self.all[from], Node::new(parent, Step::None));
        self.free.push(from);
        let target = &mut self.all[into];
        target.texts += texts;
        target.events += events;
        target.prose += prose;
        target.last = target.last.max(last);
        for (tallies, added) in [(&mut target.found, found), (&mut target.in_key, in_key)] {
            for (tally, added) in tallies.iter_mut().zip(added) {
                tally.events += added.events;
                tally.whole += added.whole;
                tally.last = tally.last.max(added.last);
            }
        }
        if map {
            self.convert_to_map(into);
        }
        for (from, existing) in [(element, self.all[into].element), (member, self.all[into].member)] {
            if let (Some(from), Some(existing)) = (from, existing) {
                self.merge(from, existing);
            }
        }
        self.adopt(into, element, member);
        let mut members: Vec<(Box<str>, usize)> = members.into_iter().collect();
        members.sort_unstable_by_key(|(_, member)| *member);
        for (key, from) in members {
            self.merge_member(into, key, from);
        }
    }

    /// Moves the element node and the member node of a merged node, if the target has none.
    fn adopt(&mut self, into: usize, element: Option<usize>, member: Option<usize>) {
        if let (None, Some(element)) = (self.all[into].element, element) {
            self.all[into].element = Some(element);
            self.all[element].parent = into;
        }
        if let (None, Some(member)) = (self.all[into].member, member) {
            self.all[into].member = Some(member);
            self.all[member].parent = into;
        }
    }

    fn merge_member(&mut self, into: usize, key: Box<str>, from: usize) {
        if !self.all[into].map && self.all[into].members.len() >= MAX_KEYS {
            self.convert_to_map(into);
        }
        let target = &self.all[into];
        match if target.map { target.member } else { target.members.get(&key).copied() } {
            Some(existing) => self.merge(from, existing),
            None if target.map => {
                self.all[from].step = Step::Member;
                self.all[from].parent = into;
                self.all[into].member = Some(from);
            }
            None => {
                self.all[from].parent = into;
                self.all[into].members.insert(key, from);
            }
        }
    }

    /// Counts a text at a node, and the findings in it.
    pub(super) fn add_text(&mut self, node: usize, text: &str, found: &[Finding]) {
        let event = self.event;
        let node = &mut self.all[node];
        node.texts += 1;
        node.events += u64::from(node.last != event);
        node.last = event;
        node.prose += u64::from(is_prose(text));
        let trimmed = text.trim();
        for finding in found {
            let tally = &mut node.found[kind(finding)];
            tally.add(event);
            tally.whole += u64::from(text[finding.range.clone()].len() == trimmed.len());
        }
    }

    /// Counts the findings in the key that leads to a node.
    pub(super) fn add_key(&mut self, node: usize, found: &[Finding]) {
        for finding in found {
            self.all[node].in_key[kind(finding)].add(self.event);
        }
    }
}

/// Returns the index of a finding's kind.
fn kind(finding: &Finding) -> usize {
    KINDS.iter().position(|kind| *kind == finding.kind).unwrap_or_default()
}
