//! The tree that events have, as a tree, and what was found at each. Its size is bounded.

use std::collections::HashMap;

use lethe_core::detect::Finding;

use super::KINDS;

/// The event itself.
pub(super) const ROOT: usize = 0;
/// Every node there was no room for, and whatever lies below it.
pub(super) const OVERFLOW: usize = 1;

/// PathTree that are kept apart.
pub(super) const MAX_NODES: usize = 10_000;
/// An object with more keys than this is a map: what has so many is data.
pub(super) const MAX_KEYS: usize = 256;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The event, or elsewhere.
    None,
    /// A member of an object.
    Key(Box<str>),
    /// Every element of an array.
    Element,
    /// Every member of a map.
    Member,
}

/// How much of a kind was found at a node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Events that hold it.
    pub(super) events: u64,
    /// Texts that are nothing else.
    pub(super) whole: u64,
    /// The event in which it was found last.
    last: u64,
}

impl Tally {
    fn add(&mut self, event: u64) {
        self.events += u64::from(self.last != event);
        self.last = event;
    }
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: usize,
    pub(super) step: Step,
    /// By key, and whether this is a map, whose members are all one node.
    members: HashMap<Box<str>, usize>,
    map: bool,
    /// The node of every element, or of every member of a map.
    element: Option<usize>,
    member: Option<usize>,
    /// Texts that stand here, the events that hold them, and the last of those.
    pub(super) texts: u64,
    pub(super) events: u64,
    last: u64,
    /// By kind: in texts, and in the key itself.
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
            found: [Tally::default(); 6],
            in_key: [Tally::default(); 6],
        }
    }
}

/// All tree.
#[derive(Debug)]
pub(super) struct PathTree {
    all: Vec<Node>,
    /// PathTree that were merged into another.
    free: Vec<usize>,
    /// The number of the event that is read, and whether it had tree there was no room for.
    event: u64,
    crowded: bool,
}

impl Default for PathTree {
    fn default() -> Self {
        Self {
            all: vec![Node::new(ROOT, Step::None), Node::new(OVERFLOW, Step::None)],
            free: Vec::new(),
            event: 0,
            crowded: false,
        }
    }
}

impl PathTree {
    /// The next event begins.
    pub(super) fn begin(&mut self, event: u64) {
        self.event = event;
        self.crowded = false;
    }

    /// Whether the event had tree there was no room for.
    pub(super) fn has_overflowed(&self) -> bool {
        self.crowded
    }

    /// A node.
    pub(super) fn get(&self, node: usize) -> &Node {
        &self.all[node]
    }

    /// Every node; one that was merged into another holds nothing.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.all.iter().enumerate()
    }

    /// The node of a member with a key that was there before; none in a map, whose keys are looked
    /// at each time.
    pub(super) fn known(&self, node: usize, key: &str) -> Option<usize> {
        if node == OVERFLOW { None } else { self.all[node].members.get(key).copied() }
    }

    /// The node of a member.
    pub(super) fn member(&mut self, node: usize, key: &str) -> usize {
        if !self.all[node].map && self.all[node].members.len() >= MAX_KEYS {
            self.open(node);
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

    /// The node of every element of an array.
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
            self.crowded = true;
            return OVERFLOW;
        }
        self.all.push(node);
        self.all.len() - 1
    }

    /// From now on the object at a node is a map: what was kept apart by key becomes one.
    pub(super) fn open(&mut self, node: usize) {
        if node == OVERFLOW || self.all[node].map {
            return;
        }
        self.all[node].map = true;
        let mut members: Vec<usize> = std::mem::take(&mut self.all[node].members).into_values().collect();
        // In the order in which they came, so that nothing depends on that of a hash map.
        members.sort_unstable();
        let mut members = members.into_iter();
        let Some(first) = members.next() else { return };
        self.all[first].step = Step::Member;
        self.all[node].member = Some(first);
        for member in members {
            self.merge(member, first);
        }
    }

    /// Moves everything of one node into another. An event that had both counts twice; it can't be
    /// known any more.
    fn merge(&mut self, from: usize, into: usize) {
        let parent = self.all[into].parent;
        let Node { members, element, member, texts, events, last, found, in_key, map, .. } =
            std::mem::replace(&mut self.all[from], Node::new(parent, Step::None));
        self.free.push(from);
        let target = &mut self.all[into];
        target.texts += texts;
        target.events += events;
        target.last = target.last.max(last);
        for (tallies, added) in [(&mut target.found, found), (&mut target.in_key, in_key)] {
            for (tally, added) in tallies.iter_mut().zip(added) {
                tally.events += added.events;
                tally.whole += added.whole;
                tally.last = tally.last.max(added.last);
            }
        }
        if map {
            self.open(into);
        }
        for (from, theirs) in [(element, self.all[into].element), (member, self.all[into].member)] {
            if let (Some(from), Some(theirs)) = (from, theirs) {
                self.merge(from, theirs);
            }
        }
        self.adopt(into, element, member);
        let mut members: Vec<(Box<str>, usize)> = members.into_iter().collect();
        members.sort_unstable_by_key(|(_, member)| *member);
        for (key, from) in members {
            self.merge_member(into, key, from);
        }
    }

    /// Takes over the elements, and the members of a map, that a node has none of its own of.
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
            self.open(into);
        }
        let target = &self.all[into];
        match if target.map { target.member } else { target.members.get(&key).copied() } {
            Some(theirs) => self.merge(from, theirs),
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

    /// Counts a text at a node, and what was found in it.
    pub(super) fn add_text(&mut self, node: usize, text: &str, found: &[Finding]) {
        let event = self.event;
        let node = &mut self.all[node];
        node.texts += 1;
        node.events += u64::from(node.last != event);
        node.last = event;
        let trimmed = text.trim();
        for finding in found {
            let tally = &mut node.found[kind(finding)];
            tally.add(event);
            tally.whole += u64::from(text[finding.range.clone()].len() == trimmed.len());
        }
    }

    /// Counts what was found in the key that leads to a node.
    pub(super) fn add_key(&mut self, node: usize, found: &[Finding]) {
        for finding in found {
            self.all[node].in_key[kind(finding)].add(self.event);
        }
    }
}

/// Where a kind stands among all.
fn kind(finding: &Finding) -> usize {
    KINDS.iter().position(|kind| *kind == finding.kind).unwrap_or_default()
}
