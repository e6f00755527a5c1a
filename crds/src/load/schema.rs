//! Checks a document against the schema of its kind, with the same verdict as the API server's and
//! a fix for each mistake.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write as _,
};

use regex::Regex;
use serde_json::Value as Json;

use super::{
    nearest::nearest,
    node::{Key, KeyFault, Node, Trap, Value},
};
use crate::shape;

/// Most mistakes that are reported for an object.
const MAX_MISTAKES: usize = 100;

/// A compiled OpenAPI schema.
#[derive(Debug, Default)]
pub struct Schema {
    kind: Kind,
    properties: BTreeMap<String, Schema>,
    required: Vec<String>,
    values: Option<Box<Schema>>,
    items: Option<Box<Schema>>,
    map_keys: Vec<String>,
    choices: Vec<String>,
    pattern: Option<Regex>,
    date_time: bool,
    min_length: usize,
    max_length: Option<usize>,
    min_items: usize,
    max_items: Option<usize>,
    max_properties: Option<usize>,
    minimum: Option<i64>,
    maximum: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    Object,
    List,
    Text,
    Integer,
    Boolean,
    IntegerOrText,
    /// Anything: a value that Lethe does not read.
    #[default]
    Any,
}

/// A mistake in a document, without the place of the document.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Byte offset in the source, if it is known.
    pub at: Option<usize>,
    /// Path inside the document.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Schema {
    /// Compiles an OpenAPI schema. Keywords that no schema of Lethe uses are ignored; a test checks
    /// that no other is used.
    pub fn compile(json: &Json) -> Self {
        let number = |name: &str| json[name].as_u64().map(|n| n as usize);
        // Kubernetes' own types declare bounds as floating point numbers.
        let bound = |name: &str| json[name].as_i64().or_else(|| json[name].as_f64().map(|n| n as i64));
        let texts = |value: &Json| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let format = json["format"].as_str();
        let (low, high) = match format {
            Some("int32") => (Some(i64::from(i32::MIN)), Some(i64::from(i32::MAX))),
            _ => (None, None),
        };
        Self {
            kind: match json["type"].as_str() {
                _ if json["x-kubernetes-int-or-string"] == true => Kind::IntegerOrText,
                _ if json["x-kubernetes-preserve-unknown-fields"] == true => Kind::Any,
                Some("object") => Kind::Object,
                Some("array") => Kind::List,
                Some("string") => Kind::Text,
                Some("integer") => Kind::Integer,
                Some("boolean") => Kind::Boolean,
                _ => Kind::Any,
            },
            properties: json["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), Self::compile(schema)))
                .collect(),
            required: texts(&json["required"]),
            values: json["additionalProperties"]
                .is_object()
                .then(|| Box::new(Self::compile(&json["additionalProperties"]))),
            items: json["items"].is_object().then(|| Box::new(Self::compile(&json["items"]))),
            map_keys: texts(&json["x-kubernetes-list-map-keys"]),
            choices: texts(&json["enum"]),
            pattern: json["pattern"].as_str().and_then(|p| Regex::new(p).ok()),
            date_time: format == Some("date-time"),
            min_length: number("minLength").unwrap_or(0),
            max_length: number("maxLength"),
            min_items: number("minItems").unwrap_or(0),
            max_items: number("maxItems"),
            max_properties: number("maxProperties"),
            minimum: bound("minimum").or(low),
            maximum: bound("maximum").or(high),
        }
    }

    /// Returns the schema with `schema` for the member `name`.
    pub fn with(mut self, name: &str, schema: Self) -> Self {
        self.properties.insert(name.to_owned(), schema);
        self
    }

    /// Returns a schema that accepts anything.
    pub fn any() -> Self {
        Self::default()
    }

    /// Returns everything that is wrong with `node`. With `quiet`, no mistake contains a value of
    /// the document, or a key that could be one.
    pub fn check(&self, node: &Node, quiet: bool) -> Vec<Found> {
        let mut check = Check { quiet, found: Vec::new(), path: Vec::new(), near: None };
        check.value(self, node);
        if check.full() {
            check.path.clear();
            let what = "has more mistakes than are shown".to_owned();
            check.found.push(Found { at: node.at, path: String::new(), what, fix: "fix these first".to_owned() });
        }
        check.found
    }
}

enum Step {
    Member(String),
    Item(usize),
}

struct Check {
    quiet: bool,
    found: Vec<Found>,
    path: Vec<Step>,
    /// Offset of the innermost value whose offset is known.
    near: Option<usize>,
}

impl Check {
    /// Returns whether there are so many mistakes that more would not help the user. A hostile
    /// document could cause millions.
    fn full(&self) -> bool {
        self.found.len() >= MAX_MISTAKES
    }

    fn report(&mut self, at: Option<usize>, what: impl Into<String>, fix: impl Into<String>) {
        if self.full() {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) if path.is_empty() => path.push_str(name),
                Step::Member(name) if name.contains(['.', '[', '/']) => {
                    let _ = write!(path, "[{name:?}]");
                }
                Step::Member(name) => {
                    let _ = write!(path, ".{name}");
                }
                Step::Item(index) => {
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        self.found.push(Found { at: at.or(self.near), path, what: what.into(), fix: fix.into() });
    }

    fn value(&mut self, schema: &Schema, node: &Node) {
        let outer = self.near;
        self.near = node.at.or(outer);
        self.value_here(schema, node);
        self.near = outer;
    }

    fn value_here(&mut self, schema: &Schema, node: &Node) {
        match (schema.kind, &node.value) {
            (_, Value::Tagged) => {
                self.report(node.at, "has a YAML tag of its own", "write the plain value; tags are not read");
            }
            (Kind::Any, _) | (Kind::Boolean, Value::Bool(_)) => {}
            (Kind::Object, Value::Map(entries)) => self.object(schema, node, entries),
            (Kind::List, Value::List(items)) => self.list(schema, node, items),
            (Kind::Text | Kind::IntegerOrText, Value::Text(text, trap)) => self.text(schema, node, text, *trap),
            (Kind::Integer | Kind::IntegerOrText, Value::Integer(number)) => self.integer(schema, node, *number),
            (Kind::Integer | Kind::IntegerOrText, Value::Huge) => {
                self.report(node.at, "is an integer of more than 64 bits", range(schema));
            }
            (kind, value) => {
                let what = format!("must be {}, but is {}", kind.name(), name(value));
                self.report(node.at, what, type_fix(kind, value));
            }
        }
    }

    fn object(&mut self, schema: &Schema, node: &Node, entries: &[(Key, Node)]) {
        if schema.max_properties.is_some_and(|max| entries.len() > max) {
            let max = schema.max_properties.unwrap_or_default();
            self.report(node.at, format!("has {} members, {max} at most are allowed", entries.len()), "");
            return;
        }
        let mut seen: HashSet<&str> = HashSet::new();
        for (key, value) in entries {
            if self.full() {
                return;
            }
            let shown = self.shown_key(&key.text);
            self.path.push(Step::Member(shown.clone()));
            if !seen.insert(&key.text) {
                self.report(key.at, "is given twice", "remove one of the two");
            } else if self.key(key) {
                let known = schema.properties.get(&key.text).or(schema.values.as_deref());
                match known {
                    // Ignored, as the API server drops null members.
                    Some(_) if matches!(value.value, Value::Null) => {}
                    Some(inner) => self.value(inner, value),
                    None => {
                        let near = nearest(&key.text, schema.properties.keys().map(String::as_str));
                        let fix = match near {
                            Some(near) => format!("did you mean `{near}`?"),
                            None if schema.properties.is_empty() => "it takes no fields: write `{}`".to_owned(),
                            None => format!("fields here: {}", joined(schema.properties.keys())),
                        };
                        self.report(key.at, "is an unknown field", fix);
                    }
                }
            }
            self.path.pop();
        }
        for name in &schema.required {
            let there = entries.iter().any(|(key, value)| key.text == *name && !matches!(value.value, Value::Null));
            if !there {
                self.path.push(Step::Member(name.clone()));
                self.report(node.at, "is missing", "add it: it is required");
                self.path.pop();
            }
        }
    }

    /// Returns whether a key can be used; reports a mistake if not.
    fn key(&mut self, key: &Key) -> bool {
        match key.fault {
            None => return true,
            Some(KeyFault::NotText) => self.report(key.at, "is a key that is no text", "quote it"),
            Some(KeyFault::Merge) => {
                self.report(key.at, "is a YAML merge key", "write the merged fields out; merge keys are not read");
            }
            Some(KeyFault::Trap(trap)) => {
                let what = format!("is a key that YAML 1.1 reads as {}", trap.reads());
                self.report(key.at, what, "quote it");
            }
        }
        false
    }

    fn list(&mut self, schema: &Schema, node: &Node, items: &[Node]) {
        if items.len() < schema.min_items {
            self.report(node.at, format!("has {} items, at least {} are needed", items.len(), schema.min_items), "");
        }
        if schema.max_items.is_some_and(|max| items.len() > max) {
            let max = schema.max_items.unwrap_or_default();
            self.report(node.at, format!("has {} items, {max} at most are allowed", items.len()), "");
            return;
        }
        let Some(inner) = schema.items.as_deref() else { return };
        let mut seen: HashMap<Vec<Option<&str>>, usize> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            self.path.push(Step::Item(index));
            self.value(inner, item);
            if !schema.map_keys.is_empty() {
                let key: Vec<Option<&str>> =
                    schema.map_keys.iter().map(|name| item.get(name).and_then(Node::text)).collect();
                let whole = key.iter().all(Option::is_some);
                if let Some(first) = seen.insert(key, index)
                    && whole
                {
                    let names = joined(schema.map_keys.iter());
                    self.report(
                        item.at,
                        format!("has the same {names} as item {first}"),
                        format!("each {names} is given once: remove or rename one"),
                    );
                }
            }
            self.path.pop();
        }
    }

    fn text(&mut self, schema: &Schema, node: &Node, text: &str, trap: Option<Trap>) {
        let mut shown = if self.quiet { String::new() } else { shown(text) };
        if let Some(trap) = trap {
            let fix = match trap {
                Trap::Boolean => "quote it if a text is meant, or write true or false",
                Trap::Octal | Trap::Separator | Trap::Sexagesimal => {
                    "quote it if a text is meant, or write a plain decimal number"
                }
            };
            self.report(node.at, format!("{shown}is read by YAML 1.1 as {}", trap.reads()), fix);
            return;
        }
        let length = text.chars().count();
        if !schema.choices.is_empty() {
            if !schema.choices.iter().any(|choice| choice == text) {
                let all = joined(schema.choices.iter());
                let fix = match nearest(text, schema.choices.iter().map(String::as_str)) {
                    Some(near) if !self.quiet => format!("did you mean `{near}`? (one of {all})"),
                    _ => format!("write one of {all}"),
                };
                self.report(node.at, format!("{shown}is not one of the choices"), fix);
            }
            return;
        }
        if length > schema.max_length.unwrap_or(usize::MAX) {
            let max = schema.max_length.unwrap_or_default();
            self.report(node.at, format!("has {length} characters, {max} at most are allowed"), "shorten it");
            return;
        }
        if length < schema.min_length {
            shown = if length == 0 { String::new() } else { shown };
            let what = if length == 0 {
                "is empty".to_owned()
            } else {
                format!("{shown}has fewer than {} characters", schema.min_length)
            };
            let advice = schema.pattern.as_ref().and_then(|p| shape::advice(p.as_str())).unwrap_or_default();
            self.report(node.at, what, advice);
            return;
        }
        if let Some(pattern) = &schema.pattern
            && !pattern.is_match(text)
        {
            let fix = shape::advice(pattern.as_str()).map_or_else(|| format!("it must match {pattern}"), str::to_owned);
            self.report(node.at, format!("{shown}is not of the right form"), fix);
        }
        if schema.date_time && text.parse::<jiff::Timestamp>().is_err() {
            self.report(node.at, format!("{shown}is no time"), "write RFC 3339, as in `2026-11-02T09:00:00Z`");
        }
    }

    fn integer(&mut self, schema: &Schema, node: &Node, number: i64) {
        let low = schema.minimum.is_some_and(|min| number < min);
        let high = schema.maximum.is_some_and(|max| number > max);
        if low || high {
            let what = if self.quiet { "is out of range".to_owned() } else { format!("{number} is out of range") };
            self.report(node.at, what, range(schema));
        }
    }

    /// Returns a key as a message may show it.
    fn shown_key(&self, key: &str) -> String {
        let name = key.len() <= 253 && !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
        if name && (!self.quiet || key.len() <= 64) { key.to_owned() } else { "*".to_owned() }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::List => "a list",
            Self::Text => "a text",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
            Self::IntegerOrText => "an integer or a text",
            Self::Any => "anything",
        }
    }
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Integer(_) | Value::Huge => "an integer",
        Value::Fraction => "a number with a fraction",
        Value::Text(..) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "an object",
        Value::Tagged => "a tagged value",
    }
}

fn type_fix(kind: Kind, value: &Value) -> &'static str {
    let is_text = matches!(value, Value::Text(..));
    match kind {
        Kind::Text if matches!(value, Value::Bool(_) | Value::Integer(_) | Value::Huge | Value::Fraction) => "quote it",
        Kind::Boolean if is_text => "write true or false, without quotes",
        Kind::Integer if is_text => "write a number, without quotes",
        Kind::Integer if matches!(value, Value::Fraction) => "write a whole number",
        Kind::List => "write a list: `[...]`, or lines that begin with `-`",
        Kind::Object if matches!(value, Value::Null) => "write its fields, or `{}`",
        Kind::Object | Kind::Text | Kind::Integer | Kind::Boolean | Kind::IntegerOrText | Kind::Any => "",
    }
}

fn range(schema: &Schema) -> String {
    match (schema.minimum, schema.maximum) {
        (Some(low), Some(high)) => format!("write a number from {low} to {high}"),
        (Some(low), None) => format!("write a number from {low} on"),
        (None, Some(high)) => format!("write a number up to {high}"),
        (None, None) => "write a smaller number".to_owned(),
    }
}

/// Returns a text for a message: quoted, shortened, without line breaks, and with a blank after it.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("`{short}{dots}` ")
}

fn joined<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    words.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
