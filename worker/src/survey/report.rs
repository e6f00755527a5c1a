//! What a survey found, by node and kind.

use serde::{Serialize, Serializer};

use super::{
    Counts, KINDS, kind_name,
    path_tree::{Node, OVERFLOW, PathTree, ROOT, Step},
    suggest::{Suggestion, suggestions},
};

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// Lines that are no JSON objects, as a whole.
    Line,
    /// At a path, in which `*` stands for every element of an array and for every key of a map.
    Path(String),
    /// Among the keys of the map at a path.
    Keys(String),
    /// At tree there was no room to keep apart.
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

/// A kind of personal data at a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    /// Where.
    #[serde(rename = "path")]
    pub location: Location,
    /// Whether it stands in keys, not in values.
    pub in_keys: bool,
    /// What it is.
    pub kind: &'static str,
    /// Events that hold it there. Where keys became a map while events were read, those before may
    /// count several times.
    pub events: u64,
    /// Events that hold a text there, whatever it is.
    pub of: u64,
    /// What to do about it, where something can be declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
}

impl Detection {
    /// Events that hold it, of those that hold a text there: 0 to 1.
    pub fn share(&self) -> f64 {
        self.events as f64 / self.of.max(1) as f64
    }
}

/// What a survey found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// How many events were read.
    pub counts: Counts,
    /// By node and kind.
    pub found: Vec<Detection>,
    /// What to declare: no path twice, and none inside of another.
    pub fields: Vec<Suggestion>,
}

impl Report {
    pub(super) fn new(counts: Counts, tree: &PathTree) -> Self {
        let fields = suggestions(tree);
        let mut found: Vec<Detection> = tree.all().flat_map(|(at, node)| of_place(tree, at, node, &fields)).collect();
        // What is an array in one event and a map in another has two tree with one path.
        found.sort_by(|a, b| (&a.location, a.kind).cmp(&(&b.location, b.kind)));
        found.dedup_by(|second, first| {
            let same = (&first.location, first.kind) == (&second.location, second.kind);
            if same {
                first.events += second.events;
                first.of += second.of;
            }
            same
        });
        found.sort_by(|a, b| (&a.location, b.events, a.kind).cmp(&(&b.location, a.events, b.kind)));
        Self { counts, found, fields }
    }
}

fn of_place<'p>(
    tree: &'p PathTree,
    at: usize,
    node: &'p Node,
    fields: &'p [Suggestion],
) -> impl Iterator<Item = Detection> + 'p {
    let suggestion = declarable(tree, at).and_then(|(path, _)| {
        fields.iter().find(|field| path == field.path || path.starts_with(&format!("{}/", field.path))).cloned()
    });
    let one = move |index: usize, in_keys: bool, events: u64| {
        let here = match at {
            ROOT => Location::Line,
            OVERFLOW => Location::Other,
            _ if in_keys => Location::Keys(path(tree, node.parent)),
            _ => Location::Path(path(tree, at)),
        };
        let of = if in_keys { events } else { node.events };
        Detection { location: here, in_keys, kind: kind_name(KINDS[index]), events, of, suggestion: suggestion.clone() }
    };
    let in_texts = node.found.iter().enumerate().map(|(index, tally)| (index, false, tally.events));
    let in_keys = node.in_key.iter().enumerate().map(|(index, tally)| (index, true, tally.events));
    in_texts
        .chain(in_keys)
        .filter(|(_, _, events)| *events > 0)
        .map(move |(index, keys, events)| one(index, keys, events))
}

/// The path of a node; the event itself has an empty one.
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

/// The path by which a manifest can declare what lies at a node, and whether that is a whole map:
/// keys of a map have no paths. None where the event is no object, or is a map itself.
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
