//! The result of a survey, by path and kind.

use std::collections::BTreeMap;

use lethe_core::reason::Reason;
use serde::{Serialize, Serializer};

use super::{
    Counts, KINDS, kind_name,
    path_tree::{Node, OVERFLOW, PathTree, ROOT, Step},
    suggest::{Suggestion, suggestions, told_by_name},
};

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In lines that are not JSON objects.
    Line,
    /// At a path, in which `*` means every element of an array or every key of a map.
    Path(String),
    /// Among the keys of the map at a path.
    Keys(String),
    /// At paths beyond the capacity of the tree.
    Other,
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Location::Line => to.serialize_str(""),
            Location::Path(path) | Location::Keys(path) => to.serialize_str(path),
            Location::Other => to.serialize_none(),
        }
    }
}

/// One kind of personal data at one location.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// The location.
    #[serde(rename = "path")]
    pub location: Location,
    /// Whether it was found in keys rather than values.
    pub in_keys: bool,
    /// The kind, or `byName` if only the name of the field says that its values are personal.
    pub kind: &'static str,
    /// Events with a finding there. If an object became a map during the survey, earlier events may
    /// be counted several times.
    pub events: u64,
    /// Events with a text there.
    #[serde(rename = "of")]
    pub events_with_text: u64,
    /// What to declare about it, if it can be declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
}

impl Detection {
    /// Returns the share of events with a finding among those with a text there, 0 to 1.
    pub fn share(&self) -> f64 {
        self.events as f64 / self.events_with_text.max(1) as f64
    }
}

/// The kind of a detection that only the name of the field tells.
pub const BY_NAME: &str = "byName";

/// The result of a survey.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Numbers of events.
    pub counts: Counts,
    /// Events that could not be read and were not searched, by the code of the reason.
    pub unreadable: BTreeMap<&'static str, u64>,
    /// Findings by location and kind.
    pub found: Vec<Detection>,
    /// Fields to declare. No path occurs twice, and none is inside of another.
    pub fields: Vec<Suggestion>,
}

impl Report {
    pub(super) fn new(counts: Counts, unreadable: &BTreeMap<Reason, u64>, tree: &PathTree) -> Self {
        let fields = suggestions(tree);
        let mut found: Vec<Detection> =
            tree.all().flat_map(|(at, node)| detections_at(tree, at, node, &fields)).collect();
        // An array in one event and a map in another give two nodes with the same path.
        found.sort_by(|a, b| (&a.location, a.kind).cmp(&(&b.location, b.kind)));
        found.dedup_by(|second, first| {
            let same = (&first.location, first.kind) == (&second.location, second.kind);
            if same {
                first.events += second.events;
                first.events_with_text += second.events_with_text;
            }
            same
        });
        found.sort_by(|a, b| (&a.location, b.events, a.kind).cmp(&(&b.location, a.events, b.kind)));
        let unreadable = unreadable.iter().map(|(reason, events)| (reason.code(), *events)).collect();
        Self { counts, unreadable, found, fields }
    }
}

fn detections_at<'p>(
    tree: &'p PathTree,
    at: usize,
    node: &'p Node,
    fields: &'p [Suggestion],
) -> impl Iterator<Item = Detection> + 'p {
    let suggestion = declarable(tree, at).and_then(|(path, _)| {
        fields.iter().find(|field| path == field.path || path.starts_with(&format!("{}/", field.path))).cloned()
    });
    let detection = move |kind: &'static str, in_keys: bool, events: u64| {
        let here = match at {
            ROOT => Location::Line,
            OVERFLOW => Location::Other,
            _ if in_keys => Location::Keys(path(tree, node.parent)),
            _ => Location::Path(path(tree, at)),
        };
        let events_with_text = if in_keys { events } else { node.events };
        Detection { location: here, in_keys, kind, events, events_with_text, suggestion: suggestion.clone() }
    };
    let in_texts = node.found.iter().enumerate().map(|(index, tally)| (index, false, tally.events));
    let in_keys = node.in_key.iter().enumerate().map(|(index, tally)| (index, true, tally.events));
    let told = told_by_name(tree, at).is_some() && node.found.iter().all(|tally| tally.events == 0);
    let by_name = (told && node.events > 0).then(|| detection(BY_NAME, false, node.events));
    in_texts
        .chain(in_keys)
        .filter(|(_, _, events)| *events > 0)
        .map(move |(index, keys, events)| detection(kind_name(KINDS[index]), keys, events))
        .chain(by_name)
}

/// Returns the path of a node. It is empty for the event itself.
pub(super) fn path(tree: &PathTree, at: usize) -> String {
    let mut steps = Vec::new();
    let mut node = at;
    while node != ROOT && node != OVERFLOW {
        let here = tree.get(node);
        steps.push(match &here.step {
            Step::None => String::new(),
            Step::Key(key) => key.replace('~', "~0").replace('/', "~1"),
            Step::Element | Step::Member => "*".to_owned(),
        });
        node = here.parent;
    }
    steps.iter().rev().map(|step| format!("/{step}")).collect()
}

/// Returns the path by which a manifest can declare a node, and whether that is a whole map, since
/// keys of a map have no paths. Returns `None` if the event is not an object, or is a map itself.
pub(super) fn declarable(tree: &PathTree, at: usize) -> Option<(String, bool)> {
    let mut steps = Vec::new();
    let mut node = at;
    while node != ROOT {
        if node == OVERFLOW {
            return None;
        }
        steps.push(node);
        node = tree.get(node).parent;
    }
    steps.reverse();
    if matches!(tree.get(*steps.first()?).step, Step::Element | Step::Member | Step::None) {
        return None;
    }
    match steps.iter().position(|node| tree.get(*node).step == Step::Member) {
        Some(member) => Some((path(tree, steps[member - 1]), true)),
        None => Some((path(tree, at), false)),
    }
}
