//! What a survey found, by place and kind.

use serde::{Serialize, Serializer};

use super::{
    Counts, KINDS, kind_name,
    places::{ELSEWHERE, Place, Places, ROOT, Step},
    suggest::{Suggestion, suggestions},
};

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whereabouts {
    /// Lines that are no JSON objects, as a whole.
    Line,
    /// At a path, in which `*` stands for every element of an array and for every key of a map.
    Path(String),
    /// Among the keys of the map at a path.
    Keys(String),
    /// At places there was no room to keep apart.
    Elsewhere,
}

impl Serialize for Whereabouts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Whereabouts::Line => to.serialize_str(""),
            Whereabouts::Path(path) | Whereabouts::Keys(path) => to.serialize_str(path),
            Whereabouts::Elsewhere => to.serialize_none(),
        }
    }
}

/// A kind of personal data at a place.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Where.
    #[serde(rename = "path")]
    pub place: Whereabouts,
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

impl Found {
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
    /// By place and kind.
    pub found: Vec<Found>,
    /// What to declare: no path twice, and none inside of another.
    pub fields: Vec<Suggestion>,
}

impl Report {
    pub(super) fn new(counts: Counts, places: &Places) -> Self {
        let fields = suggestions(places);
        let mut found: Vec<Found> = places.all().flat_map(|(at, place)| of_place(places, at, place, &fields)).collect();
        // What is an array in one event and a map in another has two places with one path.
        found.sort_by(|a, b| (&a.place, a.kind).cmp(&(&b.place, b.kind)));
        found.dedup_by(|second, first| {
            let same = (&first.place, first.kind) == (&second.place, second.kind);
            if same {
                first.events += second.events;
                first.of += second.of;
            }
            same
        });
        found.sort_by(|a, b| (&a.place, b.events, a.kind).cmp(&(&b.place, a.events, b.kind)));
        Self { counts, found, fields }
    }
}

fn of_place<'p>(
    places: &'p Places,
    at: usize,
    place: &'p Place,
    fields: &'p [Suggestion],
) -> impl Iterator<Item = Found> + 'p {
    let suggestion = declarable(places, at).and_then(|(path, _)| {
        fields.iter().find(|field| path == field.path || path.starts_with(&format!("{}/", field.path))).cloned()
    });
    let one = move |index: usize, in_keys: bool, events: u64| {
        let here = match at {
            ROOT => Whereabouts::Line,
            ELSEWHERE => Whereabouts::Elsewhere,
            _ if in_keys => Whereabouts::Keys(path(places, place.parent)),
            _ => Whereabouts::Path(path(places, at)),
        };
        let of = if in_keys { events } else { place.events };
        Found { place: here, in_keys, kind: kind_name(KINDS[index]), events, of, suggestion: suggestion.clone() }
    };
    let in_texts = place.found.iter().enumerate().map(|(index, tally)| (index, false, tally.events));
    let in_keys = place.in_key.iter().enumerate().map(|(index, tally)| (index, true, tally.events));
    in_texts
        .chain(in_keys)
        .filter(|(_, _, events)| *events > 0)
        .map(move |(index, keys, events)| one(index, keys, events))
}

/// The path of a place; the event itself has an empty one.
pub(super) fn path(places: &Places, at: usize) -> String {
    let mut steps = Vec::new();
    let mut place = at;
    while place != ROOT && place != ELSEWHERE {
        let here = places.get(place);
        steps.push(match &here.step {
            Step::None => String::new(),
            Step::Key(key) => key.replace('~', "~0").replace('/', "~1"),
            Step::Element | Step::Member => "*".to_owned(),
        });
        place = here.parent;
    }
    steps.iter().rev().map(|step| format!("/{step}")).collect()
}

/// The path by which a manifest can declare what lies at a place, and whether that is a whole map:
/// keys of a map have no paths. None where the event is no object, or is a map itself.
pub(super) fn declarable(places: &Places, at: usize) -> Option<(String, bool)> {
    let mut steps = Vec::new();
    let mut place = at;
    while place != ROOT {
        if place == ELSEWHERE {
            return None;
        }
        steps.push(place);
        place = places.get(place).parent;
    }
    steps.reverse();
    if matches!(places.get(*steps.first()?).step, Step::Element | Step::Member | Step::None) {
        return None;
    }
    match steps.iter().position(|place| places.get(*place).step == Step::Member) {
        Some(member) => Some((path(places, steps[member - 1]), true)),
        None => Some((path(places, at), false)),
    }
}
