//! The implementation of the walk.

use std::sync::Arc;

use lethe_crds::profile_pipeline::Undeclared;

use super::{
    MAX_DEPTH,
    keys::ManyKeys,
    tape::{Act, Found, Item, Tape},
};
use crate::{
    json::{NotJson, Numeric, number_end, string_end, unescape_into},
    plan::{ANY, FieldUse, Node, NodeId, Plan},
    reason::{Reason, Rejection},
    schema::{Checks, Kind},
};

/// Walks an event. An error means that it could not be read to its end. A rule that was broken on
/// the way is recorded on the tape instead.
pub(crate) fn walk(plan: &Plan, text: &str, tape: &mut Tape) -> Result<(), Rejection> {
    tape.clear();
    let mut walker = Walker { plan, text, bytes: text.as_bytes(), at: 0, tape };
    walker.skip_space();
    let object = walker.peek() == Some(b'{');
    let place = Place { node: plan.root, near: plan.root, inside: Inside::Declared, depth: 0, outer: Item::UNDECLARED };
    walker.value(place, (0, 0))?;
    walker.skip_space();
    if walker.at < walker.bytes.len() {
        return Err(NotJson.into());
    }
    if object { Ok(()) } else { Err(Rejection::whole(Reason::NotAnObject)) }
}

impl From<NotJson> for Rejection {
    fn from(_: NotJson) -> Self {
        Rejection::whole(Reason::NotJson)
    }
}

/// How undeclared data is handled at this place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// As the pipeline says.
    Declared,
    /// It is part of a field that is kept.
    Kept,
    /// It is part of something that is dropped or handled as a whole: nothing inside is recorded.
    Silent,
}

/// The position of the walk.
#[derive(Clone, Copy)]
struct Place {
    node: NodeId,
    /// The nearest place that has a name.
    near: NodeId,
    inside: Inside,
    depth: u32,
    /// The kept field it is part of.
    outer: u16,
}

struct Walker<'w> {
    plan: &'w Plan,
    text: &'w str,
    bytes: &'w [u8],
    at: usize,
    tape: &'w mut Tape,
}

impl Walker<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    /// Records a broken rule, if it is the first.
    #[cold]
    fn broken(&mut self, reason: Reason, rule: Option<&'static str>, place: Place) {
        if self.tape.broken.is_none() {
            let path = if place.node == ANY {
                Arc::from(format!("{}/*", self.plan.node(place.near).path))
            } else {
                Arc::clone(&self.plan.node(place.node).path)
            };
            self.tape.broken = Some(Rejection { reason, rule, path: Some(path) });
        }
    }

    fn check(&mut self, place: Place, verdict: Result<(), &'static str>) {
        if let Err(keyword) = verdict {
            self.broken(Reason::SchemaViolation, Some(keyword), place);
        }
    }

    /// Walks one value and records it, if it may be written.
    fn value(&mut self, place: Place, key: (u32, u32)) -> Result<(), Rejection> {
        let plan = self.plan;
        let node = plan.node(place.node);
        let start = self.at;
        let first = self.peek().ok_or(NotJson)?;
        let (act, field, inside) = self.decide(place, node, first);
        let index = self.tape.items.len();
        if let Some(act) = act {
            let item = Item { key, value: (start as u32, 0), end: 0, field, kind: Kind::Null, act };
            self.tape.items.push(item);
        }
        let inner = Place { inside, outer: field, ..place };
        let checks = node.checks.as_ref();
        let kind = match first {
            b'"' => self.string(place, checks)?,
            b'{' => self.object(inner, node, checks)?,
            b'[' => self.array(inner, node, checks)?,
            b'-' | b'0'..=b'9' => self.number(place, checks)?,
            b't' => self.word(place, checks, "true", Kind::Bool)?,
            b'f' => self.word(place, checks, "false", Kind::Bool)?,
            b'n' => self.word(place, checks, "null", Kind::Null)?,
            _ => return Err(NotJson.into()),
        };
        if let Some(rest) = checks.and_then(Checks::rest) {
            let verdict = rest.check(&self.text[start..self.at]);
            self.check(place, verdict);
        }
        for slot in &node.slots {
            self.tape.found.push(Found { slot: *slot, kind, value: start..self.at });
        }
        if act.is_some() {
            let end = self.tape.items.len() as u32;
            let item = &mut self.tape.items[index];
            item.value.1 = self.at as u32;
            item.end = end;
            item.kind = kind;
        }
        Ok(())
    }

    /// Returns what happens to a value at a place, and to undeclared data inside it. `first` is its
    /// first byte.
    #[inline]
    fn decide(&mut self, place: Place, node: &Node, first: u8) -> (Option<Act>, u16, Inside) {
        if place.inside == Inside::Silent {
            return (None, place.outer, Inside::Silent);
        }
        if node.guards && self.misses(place, node, first) {
            self.broken(Reason::ProtectFailed, Some("shape"), place);
        }
        let enters = (first == b'{' || first == b'[') && (node.members || node.elements);
        if let Some(field) = node.field {
            return match self.plan.fields[usize::from(field)] {
                FieldUse::Drop => (None, field, Inside::Silent),
                FieldUse::Copy if enters => (Some(Act::Enter), field, Inside::Kept),
                FieldUse::Copy => (Some(Act::Copy), field, Inside::Silent),
                FieldUse::Change => (Some(Act::Change), field, Inside::Silent),
            };
        }
        if enters {
            return (Some(Act::Enter), place.outer, place.inside);
        }
        if place.inside == Inside::Kept {
            return (Some(Act::Copy), place.outer, Inside::Silent);
        }
        if !node.slots.is_empty() {
            return (None, place.outer, Inside::Silent);
        }
        match self.plan.undeclared {
            Undeclared::Drop => (None, place.outer, Inside::Silent),
            Undeclared::Reject => {
                self.broken(Reason::UndeclaredField, None, place);
                (None, place.outer, Inside::Silent)
            }
            Undeclared::Keep => (Some(Act::Copy), Item::UNDECLARED, Inside::Silent),
            Undeclared::Detect => (Some(Act::Detect), Item::UNDECLARED, Inside::Silent),
        }
    }

    /// Returns whether a value would pass unchanged although protected fields should be inside it:
    /// it is a list where they are members, or one text where they are elements.
    fn misses(&self, place: Place, node: &Node, first: u8) -> bool {
        let as_declared = match first {
            b'{' => node.members,
            b'[' => node.elements,
            // Null holds no personal data.
            first => first == b'n',
        };
        let passes = match node.field {
            Some(field) => self.plan.fields[usize::from(field)] == FieldUse::Copy,
            None => {
                place.inside == Inside::Kept || matches!(self.plan.undeclared, Undeclared::Keep | Undeclared::Detect)
            }
        };
        passes && !as_declared
    }

    #[inline]
    fn string(&mut self, place: Place, checks: Option<&Checks>) -> Result<Kind, NotJson> {
        let start = self.at + 1;
        let (end, escaped) = string_end(self.bytes, start)?;
        self.at = end + 1;
        if let Some(checks) = checks {
            let raw = &self.text[start..end];
            let verdict = if escaped && checks.reads_text() {
                self.tape.text.clear();
                unescape_into(raw, &mut self.tape.text);
                checks.text(&self.tape.text)
            } else {
                checks.text(raw)
            };
            self.check(place, verdict);
        }
        Ok(Kind::Text)
    }

    fn number(&mut self, place: Place, checks: Option<&Checks>) -> Result<Kind, NotJson> {
        let start = self.at;
        let (end, integer) = number_end(self.bytes, start)?;
        self.at = end;
        // A short integer is always in range; others are parsed only if a schema checks them.
        if let Some(checks) = checks {
            match Numeric::parse(&self.text[start..end], integer) {
                Some(value) => self.check(place, checks.number(value)),
                None => self.broken(Reason::NumberOutOfRange, None, place),
            }
        } else if !(integer && end - start < 19) && Numeric::parse(&self.text[start..end], integer).is_none() {
            self.broken(Reason::NumberOutOfRange, None, place);
        }
        Ok(if integer { Kind::Integer } else { Kind::Number })
    }

    fn word(&mut self, place: Place, checks: Option<&Checks>, word: &str, kind: Kind) -> Result<Kind, NotJson> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return Err(NotJson);
        }
        self.at = end;
        if let Some(checks) = checks {
            let verdict = if kind == Kind::Null { checks.null() } else { checks.boolean(word == "true") };
            self.check(place, verdict);
        }
        Ok(kind)
    }

    /// Returns the depth inside a container.
    fn deeper(place: Place) -> Result<u32, Rejection> {
        if place.depth >= MAX_DEPTH { Err(Rejection::whole(Reason::TooDeep)) } else { Ok(place.depth + 1) }
    }

    fn object(&mut self, place: Place, node: &Node, checks: Option<&Checks>) -> Result<Kind, Rejection> {
        let depth = Self::deeper(place)?;
        let near = if place.node == ANY { place.near } else { place.node };
        let mark = self.tape.seen.open(node.keys.len());
        let mut many = ManyKeys::default();
        let mut hint = 0;
        let mut members = 0;
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.expect(b'"')?;
                let start = self.at;
                let (end, escaped) = string_end(self.bytes, start)?;
                self.at = end + 1;
                let member = if escaped {
                    let mut name = String::new();
                    unescape_into(&self.text[start..end], &mut name);
                    node.keys.find(&name, &mut hint)
                } else {
                    node.keys.find(&self.text[start..end], &mut hint)
                };
                let (child, new) = match member {
                    Some(at) => (node.keys.node(at), self.tape.seen.named(mark, at)),
                    None => (node.other, self.tape.seen.other(mark, self.text, start..end, &mut many)),
                };
                let child = Place { node: child, near, depth, ..place };
                if !new {
                    self.broken(Reason::DuplicateKey, None, child);
                }
                members += 1;
                self.skip_space();
                self.expect(b':')?;
                self.skip_space();
                self.value(child, (start as u32, end as u32))?;
                self.skip_space();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.skip_space();
                    }
                    Some(b'}') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(NotJson.into()),
                }
            }
        }
        for at in &node.required {
            if !self.tape.seen.has(mark, *at as usize) {
                let child = node.keys.node(*at as usize);
                let node = if child == ANY { place.node } else { child };
                self.broken(Reason::SchemaViolation, Some("required"), Place { node, near, ..place });
            }
        }
        self.tape.seen.close(mark);
        if let Some(checks) = checks {
            self.check(place, checks.object(members));
        }
        Ok(Kind::Object)
    }

    fn array(&mut self, place: Place, node: &Node, checks: Option<&Checks>) -> Result<Kind, Rejection> {
        let depth = Self::deeper(place)?;
        let near = if place.node == ANY { place.near } else { place.node };
        let mut items = 0;
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                self.value(Place { node: node.each, near, depth, ..place }, (0, 0))?;
                items += 1;
                self.skip_space();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.skip_space();
                    }
                    Some(b']') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(NotJson.into()),
                }
            }
        }
        if let Some(checks) = checks {
            self.check(place, checks.array(items));
        }
        Ok(Kind::Array)
    }
}
