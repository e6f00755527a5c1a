//! What a schema allows at a path. The answers are certain: where a schema is too free or too
//! complex, a path may hold anything.

use std::collections::HashSet;

use serde_json::Value;

use super::subschemas;
use crate::pointer::{Pointer, Segment};

/// How many alternatives (`anyOf`, `oneOf`) are followed before any type is assumed.
const MOST_ALTERNATIVES: usize = 64;

/// The JSON types that a path may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct Types(u8);

impl Types {
    const NULL: u8 = 1;
    const BOOLEAN: u8 = 2;
    const INTEGER: u8 = 4;
    const FRACTION: u8 = 8;
    const TEXT: u8 = 16;
    const ARRAY: u8 = 32;
    const OBJECT: u8 = 64;
    /// Anything.
    pub(in crate::pipeline) const ANY: Types = Types(127);

    fn named(name: &str) -> u8 {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::INTEGER | Self::FRACTION,
            "string" => Self::TEXT,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::ANY.0,
        }
    }

    fn of(value: &Value) -> u8 {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.is_f64() => Self::INTEGER | Self::FRACTION,
            Value::Number(_) => Self::INTEGER,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    pub(in crate::pipeline) const fn array(self) -> bool {
        self.0 & Self::ARRAY != 0
    }

    pub(in crate::pipeline) const fn object(self) -> bool {
        self.0 & Self::OBJECT != 0
    }

    pub(in crate::pipeline) const fn text(self) -> bool {
        self.0 & Self::TEXT != 0
    }

    pub(in crate::pipeline) const fn number(self) -> bool {
        self.0 & (Self::INTEGER | Self::FRACTION) != 0
    }

    pub(in crate::pipeline) const fn fraction(self) -> bool {
        self.0 & Self::FRACTION != 0
    }

    pub(in crate::pipeline) const fn boolean(self) -> bool {
        self.0 & Self::BOOLEAN != 0
    }

    /// Returns whether only objects and arrays are allowed, `null` aside.
    pub(in crate::pipeline) const fn containers_only(self) -> bool {
        let without_null = self.0 & !Self::NULL;
        without_null != 0 && without_null & !(Self::ARRAY | Self::OBJECT) == 0
    }

    /// Returns whether nothing is known: any type is allowed.
    pub(in crate::pipeline) const fn unknown(self) -> bool {
        self.0 == Self::ANY.0
    }
}

/// What the schema allows at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Look {
    /// It may hold these types.
    May(Types),
    /// The schema forbids the member at this step.
    Forbidden(usize),
    /// The parent of this step is never an object, or never an array.
    Mismatch(usize),
}

/// Schemas that all apply at once.
type All<'a> = Vec<&'a Value>;

/// A schema that can be queried by path.
pub(in crate::pipeline) struct View<'a> {
    root: &'a Value,
    /// Whether references are followed. They are not if `$id` occurs inside, because then they are
    /// not relative to the root.
    followed: bool,
}

impl<'a> View<'a> {
    pub(in crate::pipeline) fn new(root: &'a Value) -> Self {
        let mut followed = true;
        subschemas::walk(root, &mut |keywords, place| followed &= place == "#" || !keywords.contains_key("$id"));
        Self { root, followed }
    }

    /// Returns what the schema allows at a path.
    pub(in crate::pipeline) fn look(&self, place: &Pointer) -> Look {
        let mut alternatives = vec![vec![self.root]];
        for (step, segment) in place.segments.iter().enumerate() {
            let mut next = Vec::new();
            let (mut forbidden, mut mismatched) = (false, false);
            for all in self.expanded(alternatives) {
                let types = types_of(&all);
                let fits = match segment {
                    Segment::Key(_) => types.object(),
                    Segment::Each => types.array(),
                };
                if !fits {
                    mismatched = true;
                } else if let Some(inside) = inside(&all, segment) {
                    next.push(inside);
                } else {
                    forbidden = true;
                }
            }
            if next.is_empty() {
                return if forbidden || !mismatched { Look::Forbidden(step) } else { Look::Mismatch(step) };
            }
            alternatives = next;
        }
        let types = self.expanded(alternatives).iter().fold(0, |sum, all| sum | types_of(all).0);
        Look::May(Types(types))
    }

    /// Returns the container types that the parent of a step may have.
    pub(in crate::pipeline) fn parent(&self, place: &Pointer, step: usize) -> Look {
        if step == 0 {
            return Look::May(Types(Types::OBJECT));
        }
        self.look(&Pointer { segments: place.segments[..step].to_vec() })
    }

    /// Returns whether every alternative of the path has a schema in which a keyword passes this
    /// test.
    pub(in crate::pipeline) fn says(&self, place: &Pointer, test: impl Fn(&Value) -> bool) -> bool {
        let mut alternatives = vec![vec![self.root]];
        for segment in &place.segments {
            alternatives = self.expanded(alternatives).iter().filter_map(|all| inside(all, segment)).collect();
        }
        let expanded = self.expanded(alternatives);
        !expanded.is_empty() && expanded.iter().all(|all| all.iter().any(|schema| test(schema)))
    }

    /// Returns the topmost paths that the schema names and that are neither in `declared` nor
    /// inside one of these. It follows only paths that lead to a declared one, so a recursive
    /// schema ends.
    pub(in crate::pipeline) fn undeclared(&self, declared: &[&Pointer]) -> Vec<Pointer> {
        let mut found = Vec::new();
        let mut pending = vec![(Vec::new(), vec![vec![self.root]])];
        while let Some((segments, alternatives)) = pending.pop() {
            let expanded = self.expanded(alternatives);
            let mut steps: Vec<Segment> = Vec::new();
            for schema in expanded.iter().flatten() {
                if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                    steps.extend(properties.keys().map(|key| Segment::Key(key.clone())));
                }
                if schema.get("items").is_some_and(Value::is_object) && !segments.is_empty() {
                    steps.push(Segment::Each);
                }
            }
            steps.sort();
            steps.dedup();
            for step in steps {
                let mut segments: Vec<Segment> = segments.clone();
                segments.push(step.clone());
                let place = Pointer { segments: segments.clone() };
                if declared.iter().any(|path| path.covers(&place)) {
                    continue;
                }
                if declared.iter().any(|path| place.covers(path)) {
                    let next = expanded.iter().filter_map(|all| inside(all, &step)).collect();
                    pending.push((segments, next));
                } else {
                    found.push(place);
                }
            }
        }
        found.sort();
        found
    }

    /// Returns every alternative with its references and `allOf` resolved. Each `anyOf` and `oneOf`
    /// multiplies them. If there are too many, the path may hold anything.
    fn expanded(&self, alternatives: Vec<All<'a>>) -> Vec<All<'a>> {
        let mut ready = Vec::new();
        let mut pending: Vec<(All<'a>, All<'a>, HashSet<usize>)> =
            alternatives.into_iter().map(|all| (Vec::new(), all, HashSet::new())).collect();
        while let Some((mut flat, mut rest, mut met)) = pending.pop() {
            if ready.len() + pending.len() > MOST_ALTERNATIVES {
                return vec![Vec::new()];
            }
            let Some(schema) = rest.pop() else {
                ready.push(flat);
                continue;
            };
            if !met.insert(std::ptr::from_ref(schema) as usize) {
                pending.push((flat, rest, met));
                continue;
            }
            flat.push(schema);
            if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|to| self.target(to)) {
                rest.push(target);
            }
            rest.extend(schema.get("allOf").and_then(Value::as_array).into_iter().flatten());
            let groups: Vec<&Vec<Value>> =
                ["anyOf", "oneOf"].iter().filter_map(|word| schema.get(*word).and_then(Value::as_array)).collect();
            let mut choices = vec![rest];
            for group in groups {
                if choices.len() * group.len() > MOST_ALTERNATIVES {
                    return vec![Vec::new()];
                }
                choices = choices
                    .iter()
                    .flat_map(|choice| {
                        group.iter().map(move |branch| {
                            let mut choice = choice.clone();
                            choice.push(branch);
                            choice
                        })
                    })
                    .collect();
            }
            pending.extend(choices.into_iter().map(|choice| (flat.clone(), choice, met.clone())));
        }
        ready
    }

    fn target(&self, reference: &str) -> Option<&'a Value> {
        if self.followed { subschemas::target(self.root, reference) } else { None }
    }
}

/// Returns the types that all of these schemas allow.
fn types_of(all: &[&Value]) -> Types {
    let mut types = Types::ANY.0;
    for schema in all {
        types &= match schema {
            Value::Bool(false) => 0,
            Value::Object(keywords) => {
                let mut own = Types::ANY.0;
                match keywords.get("type") {
                    Some(Value::String(name)) => own &= Types::named(name),
                    Some(Value::Array(names)) => {
                        own &= names.iter().filter_map(Value::as_str).fold(0, |sum, name| sum | Types::named(name));
                    }
                    _ => {}
                }
                if let Some(value) = keywords.get("const") {
                    own &= Types::of(value);
                }
                if let Some(values) = keywords.get("enum").and_then(Value::as_array) {
                    own &= values.iter().fold(0, |sum, value| sum | Types::of(value));
                }
                own
            }
            _ => Types::ANY.0,
        };
    }
    Types(types)
}

/// Returns the schemas of a member or of the elements; `None` if one of these schemas forbids it.
fn inside<'a>(all: &[&'a Value], segment: &Segment) -> Option<All<'a>> {
    let mut found = Vec::new();
    let mut named = false;
    for schema in all {
        match segment {
            Segment::Key(key) => {
                let mut hit = false;
                if let Some(property) = schema.get("properties").and_then(|map| map.get(key)) {
                    found.push(property);
                    hit = true;
                }
                for (pattern, property) in
                    schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten()
                {
                    match regex::Regex::new(pattern) {
                        Ok(pattern) if !pattern.is_match(key) => {}
                        Ok(_) => {
                            found.push(property);
                            hit = true;
                        }
                        // A pattern of another dialect: it may match, so nothing is certain.
                        Err(_) => hit = true,
                    }
                }
                if !hit && let Some(others) = schema.get("additionalProperties") {
                    found.push(others);
                    hit = true;
                }
                named |= hit;
            }
            Segment::Each => {
                // With prefixItems the elements differ from each other.
                if schema.get("prefixItems").is_none()
                    && let Some(items) = schema.get("items")
                {
                    found.push(items);
                }
            }
        }
    }
    let closed = !named
        && matches!(segment, Segment::Key(_))
        && all.iter().any(|schema| schema.get("unevaluatedProperties") == Some(&Value::Bool(false)))
        // What these keywords apply to the same object is not read, and might name the member.
        && !all.iter().any(|schema| {
            ["if", "then", "else", "dependentSchemas", "$dynamicRef"].iter().any(|word| schema.get(*word).is_some())
        });
    if closed || found.iter().any(|schema| **schema == Value::Bool(false)) { None } else { Some(found) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn look(schema: &Value, place: &str) -> Look {
        View::new(schema).look(&place.parse().unwrap())
    }

    fn types(names: &[&str]) -> Look {
        Look::May(Types(names.iter().fold(0, |sum, name| sum | Types::named(name))))
    }

    #[test]
    fn a_path_has_the_types_that_every_schema_of_it_allows() {
        let schema = json!({
            "properties": {
                "a": {"$ref": "#/$defs/text"},
                "b": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]},
                "c": {"allOf": [{"type": ["string", "null"]}, {"enum": ["x", 3]}]},
                "d": {"type": "array", "items": {"type": "object", "properties": {"e": {"type": "number"}}}}
            },
            "$defs": {"text": {"type": "string"}}
        });
        assert_eq!(look(&schema, "/a"), types(&["string"]));
        assert_eq!(look(&schema, "/b"), types(&["string", "array"]));
        assert_eq!(look(&schema, "/b/*"), types(&["integer"]));
        assert_eq!(look(&schema, "/c"), types(&["string"]));
        assert_eq!(look(&schema, "/d/*/e"), types(&["number"]));
        assert_eq!(look(&schema, "/unknown/deep"), Look::May(Types::ANY));
    }

    #[test]
    fn a_closed_member_is_forbidden_and_a_value_of_another_shape_is_a_mismatch() {
        let schema = json!({
            "additionalProperties": false,
            "properties": {"a": {"type": "object", "unevaluatedProperties": false, "allOf": [{"properties": {"b": {}}}]}, "l": {"type": "array"}},
            "patternProperties": {"^x_": {}}
        });
        assert_eq!(look(&schema, "/other"), Look::Forbidden(0));
        assert_eq!(look(&schema, "/x_1"), Look::May(Types::ANY));
        assert_eq!(look(&schema, "/a/b"), Look::May(Types::ANY));
        assert_eq!(look(&schema, "/a/c"), Look::Forbidden(1));
        assert_eq!(look(&schema, "/l/name"), Look::Mismatch(1));
        assert_eq!(look(&schema, "/a/*"), Look::Mismatch(1));
    }

    #[test]
    fn undeclared_paths_are_listed_at_their_top_and_a_recursive_schema_ends() {
        let schema = json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"type": "string"}}});
        let declared: [Pointer; 2] = ["/a/b".parse().unwrap(), "/c".parse().unwrap()];
        let listed = View::new(&schema).undeclared(&declared.iter().collect::<Vec<_>>());
        let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
        assert_eq!(listed, ["/a/a", "/a/c", "/b"]);
    }

    #[test]
    fn a_recursive_schema_can_be_queried_at_any_depth() {
        let schema = json!({"type": "object", "properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}}});
        assert_eq!(look(&schema, "/child/child/child/n"), types(&["integer"]));
    }
}
