//! One audience's view of an event, as one JSON object.

use lethe_crds::profile_pipeline::Audience;

use super::{Engine, Facts, Scratch, change::Output, view::View};
use crate::{
    identity::{Reference, push_quoted_hex},
    json::push_string,
    reason::{Reason, Rejection},
    schema::Kind,
    time::rfc3339,
    walk::{Act, Item},
};

impl Engine {
    /// Appends the content of a view, as one JSON object.
    pub(super) fn push_document(
        &self,
        view: &View,
        text: &str,
        facts: Facts,
        reference: &Reference,
        scratch: &mut Scratch,
    ) -> Result<(), Rejection> {
        let Scratch { tape, values, arena, id, .. } = scratch;
        arena.extend_from_slice(b"{\"subject_ref\":");
        push_quoted_hex(&reference.0, arena);
        arena.extend_from_slice(b",\"event_id\":");
        match view.audience {
            Audience::Identity | Audience::Operational => push_string(id, arena),
            Audience::Analytics | Audience::Public => {
                arena.push(b'"');
                self.ring.event_id_for(view.audience, id, arena).map_err(|_| no_reference())?;
                arena.push(b'"');
            }
        }
        arena.extend_from_slice(b",\"event_time\":\"");
        let mut time = [0; 24];
        let length = rfc3339(view.time(facts.time), &mut time);
        arena.extend_from_slice(&time[..length]);
        arena.push(b'"');
        let writer = Writer { engine: self, view, text, items: &tape.items, values };
        if let Some(root) = tape.items.first() {
            writer.contents(1, root.end as usize, Kind::Object, true, arena);
        }
        arena.push(b'}');
        Ok(())
    }
}

/// Writes one view of one event.
struct Writer<'w> {
    engine: &'w Engine,
    view: &'w View,
    text: &'w str,
    items: &'w [Item],
    values: &'w [Output],
}

impl Writer<'_> {
    /// Writes the items from `at` to `end`. Returns whether any of them is shown.
    fn contents(&self, at: usize, end: usize, kind: Kind, mut more: bool, out: &mut Vec<u8>) -> bool {
        let mut at = at;
        let mut shown = false;
        while at < end {
            let item = &self.items[at];
            let before = out.len();
            if more {
                out.push(b',');
            }
            if kind == Kind::Object {
                out.push(b'"');
                out.extend_from_slice(item.key(self.text).as_bytes());
                out.extend_from_slice(b"\":");
            }
            if self.item(at, item, out) {
                more = true;
                shown = true;
            } else {
                out.truncate(before);
            }
            at = item.end as usize;
        }
        shown
    }

    /// Writes one item. Returns whether it is shown. A container without shown content is left out,
    /// unless it is shown itself: a kept empty object stays an empty object.
    fn item(&self, at: usize, item: &Item, out: &mut Vec<u8>) -> bool {
        if item.act == Act::Enter {
            let (open, close) = if item.kind == Kind::Array { (b'[', b']') } else { (b'{', b'}') };
            out.push(open);
            let shown = self.contents(at + 1, item.end as usize, item.kind, false, out);
            out.push(close);
            return shown || self.view.shows(item);
        }
        if !self.view.shows(item) {
            return false;
        }
        match self.values[at] {
            Output::Hidden => return false,
            Output::Same => out.extend_from_slice(item.value(self.text).as_bytes()),
            Output::Made(start, end) => out.extend_from_within(start as usize..end as usize),
            Output::Forms(first, length) => {
                let audiences = &self.engine.actions[usize::from(item.field)].audiences;
                let Some(which) = audiences.iter().position(|known| *known == self.view.audience) else { return false };
                let (start, length) = (first as usize + which * length as usize, length as usize);
                out.extend_from_within(start..start + length);
            }
        }
        true
    }
}

/// The engine checked for the keys of its audiences when it was made, and the caller makes subjects
/// with them. So this is a fault of the caller, and nothing may be written.
#[cold]
pub(super) fn no_reference() -> Rejection {
    Rejection { reason: Reason::ProtectFailed, rule: Some("reference"), path: None }
}
