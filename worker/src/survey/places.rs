//! The places that events have, as a tree, and what was found at each. Its size is bounded.

use std::collections::HashMap;

use lethe_core::detect::Finding;

use super::KINDS;

/// The event itself.
pub(super) const ROOT: usize = 0;
/// Every place there was no room for, and whatever lies below it.
pub(super) const ELSEWHERE: usize = 1;

/// Places that are kept apart.
pub(super) const MOST_PLACES: usize = 10_000;
/// An object with more keys than this is a map: what has so many is data.
pub(super) const MOST_KEYS: usize = 256;

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

/// How much of a kind was found at a place.
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

/// A place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) parent: usize,
    pub(super) step: Step,
    /// By key, and whether this is a map, whose members are all one place.
    members: HashMap<Box<str>, usize>,
    map: bool,
    /// The place of every element, or of every member of a map.
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

impl Place {
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

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    all: Vec<Place>,
    /// Places that were merged into another.
    free: Vec<usize>,
    /// The number of the event that is read, and whether it had places there was no room for.
    event: u64,
    crowded: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: vec![Place::new(ROOT, Step::None), Place::new(ELSEWHERE, Step::None)],
            free: Vec::new(),
            event: 0,
            crowded: false,
        }
    }
}

impl Places {
    /// The next event begins.
    pub(super) fn begin(&mut self, event: u64) {
        self.event = event;
        self.crowded = false;
    }

    /// Whether the event had places there was no room for.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// A place.
    pub(super) fn get(&self, place: usize) -> &Place {
        &self.all[place]
    }

    /// Every place; one that was merged into another holds nothing.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Place)> {
        self.all.iter().enumerate()
    }

    /// The place of a member with a key that was there before; none in a map, whose keys are looked
    /// at each time.
    pub(super) fn known(&self, place: usize, key: &str) -> Option<usize> {
        if place == ELSEWHERE { None } else { self.all[place].members.get(key).copied() }
    }

    /// The place of a member.
    pub(super) fn member(&mut self, place: usize, key: &str) -> usize {
        if !self.all[place].map && self.all[place].members.len() >= MOST_KEYS {
            self.open(place);
        }
        if self.all[place].map {
            return match self.all[place].member {
                Some(member) => member,
                None => {
                    let member = self.add(place, Step::Member);
                    self.all[place].member = Some(member).filter(|member| *member != ELSEWHERE);
                    member
                }
            };
        }
        let member = self.add(place, Step::Key(key.into()));
        if member != ELSEWHERE {
            self.all[place].members.insert(key.into(), member);
        }
        member
    }

    /// The place of every element of an array.
    pub(super) fn element(&mut self, place: usize) -> usize {
        match self.all[place].element {
            Some(element) => element,
            None => {
                let element = self.add(place, Step::Element);
                self.all[place].element = Some(element).filter(|element| *element != ELSEWHERE);
                element
            }
        }
    }

    fn add(&mut self, parent: usize, step: Step) -> usize {
        if parent == ELSEWHERE {
            return ELSEWHERE;
        }
        let place = Place::new(parent, step);
        if let Some(at) = self.free.pop() {
            self.all[at] = place;
            return at;
        }
        if self.all.len() >= MOST_PLACES {
            self.crowded = true;
            return ELSEWHERE;
        }
        self.all.push(place);
        self.all.len() - 1
    }

    /// From now on the object at a place is a map: what was kept apart by key becomes one.
    pub(super) fn open(&mut self, place: usize) {
        if place == ELSEWHERE || self.all[place].map {
            return;
        }
        self.all[place].map = true;
        let mut members: Vec<usize> = std::mem::take(&mut self.all[place].members).into_values().collect();
        // In the order in which they came, so that nothing depends on that of a hash map.
        members.sort_unstable();
        let mut members = members.into_iter();
        let Some(first) = members.next() else { return };
        self.all[first].step = Step::Member;
        self.all[place].member = Some(first);
        for member in members {
            self.merge(member, first);
        }
    }

    /// Moves everything of one place into another. An event that had both counts twice; it can't be
    /// known any more.
    fn merge(&mut self, from: usize, into: usize) {
        let parent = self.all[into].parent;
        let Place { members, element, member, texts, events, last, found, in_key, map, .. } =
            std::mem::replace(&mut self.all[from], Place::new(parent, Step::None));
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

    /// Takes over the elements, and the members of a map, that a place has none of its own of.
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
        if !self.all[into].map && self.all[into].members.len() >= MOST_KEYS {
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

    /// Counts a text at a place, and what was found in it.
    pub(super) fn add_text(&mut self, place: usize, text: &str, found: &[Finding]) {
        let event = self.event;
        let place = &mut self.all[place];
        place.texts += 1;
        place.events += u64::from(place.last != event);
        place.last = event;
        let trimmed = text.trim();
        for finding in found {
            let tally = &mut place.found[kind(finding)];
            tally.add(event);
            tally.whole += u64::from(text[finding.range.clone()].len() == trimmed.len());
        }
    }

    /// Counts what was found in the key that leads to a place.
    pub(super) fn add_key(&mut self, place: usize, found: &[Finding]) {
        for finding in found {
            self.all[place].in_key[kind(finding)].add(self.event);
        }
    }
}

/// Where a kind stands among all.
fn kind(finding: &Finding) -> usize {
    KINDS.iter().position(|kind| *kind == finding.kind).unwrap_or_default()
}
