//! A document as a tree that keeps the position of its scalars and how they were written.
//!
//! `serde_yaml::Value` keeps neither: it reads a plain `yes` as a text where the API server reads
//! true, and a mistake would have no line. The reader here gets texts that borrow from the source:
//! their address gives their position, and the byte before them shows whether they were quoted.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor};

/// Most nodes of a document, aliases expanded.
const MAX_NODES: usize = 500_000;
/// Most bytes of text of a document, aliases expanded.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// One value of a document.
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its byte offset in the source, if it is known.
    pub at: Option<usize>,
}

/// The value of a node.
pub enum Value {
    /// Null, or nothing at all.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer that fits into 64 bits.
    Integer(i64),
    /// An integer that does not fit into 64 bits.
    Huge,
    /// A number with a fraction, or one that is not finite.
    Fraction,
    /// A text, and what YAML 1.1 reads it as if that is something else.
    Text(String, Option<Trap>),
    /// A list.
    List(Vec<Node>),
    /// An object, in the order of the source, duplicates included.
    Map(Vec<(Key, Node)>),
    /// A value with a tag of its own, such as `!secret x`.
    Tagged,
}

/// A key of an object.
pub struct Key {
    /// Its text; a key that is not a text is shown as one.
    pub text: String,
    /// Its byte offset in the source, if it is known.
    pub at: Option<usize>,
    /// What is wrong with it.
    pub fault: Option<KeyFault>,
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It is not a text.
    NotText,
    /// YAML 1.1 reads it as something else.
    Trap(Trap),
    /// It is the merge key `<<`.
    Merge,
}

/// What YAML 1.1 reads a plain scalar as that is a text in YAML 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// `yes`, `no`, `on`, `off`, `y`, `n`.
    Boolean,
    /// `0777`: a number of base eight.
    Octal,
    /// `1_000`: a number with separators.
    Separator,
    /// `1:30`: a number of base sixty.
    Sexagesimal,
}

impl Trap {
    /// Returns what YAML 1.1 reads a plain scalar as, if it is not a text.
    pub fn of(text: &str) -> Option<Self> {
        if matches!(
            text,
            "y" | "Y"
                | "yes"
                | "Yes"
                | "YES"
                | "n"
                | "N"
                | "no"
                | "No"
                | "NO"
                | "on"
                | "On"
                | "ON"
                | "off"
                | "Off"
                | "OFF"
        ) {
            return Some(Self::Boolean);
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
            return Some(Self::Octal);
        }
        if digits.contains('_') {
            let based =
                digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0b")).or_else(|| digits.strip_prefix("0o"));
            let number = match based {
                Some(rest) => rest.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_'),
                None => {
                    digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'e' | b'E' | b'+' | b'-'))
                }
            };
            return number.then_some(Self::Separator);
        }
        let mut parts = digits.split(':');
        let first = parts.next().is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
        let rest: Vec<&str> = parts.collect();
        let sixties = |(i, p): (usize, &&str)| {
            let whole = if i + 1 == rest.len() { p.split('.').next().unwrap_or(p) } else { p };
            matches!(whole.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
        };
        (first && !rest.is_empty() && rest.iter().enumerate().all(sixties)).then_some(Self::Sexagesimal)
    }

    /// Returns the description of what YAML 1.1 reads.
    pub fn reads(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Octal => "a number of base eight",
            Self::Separator => "a number with separators",
            Self::Sexagesimal => "a number of base sixty",
        }
    }
}

/// Reads one value. `source` is the text that the deserializer borrows from.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    source: &'a str,
    yaml: bool,
    budget: &'a Budget,
}

/// The nodes and bytes that a document may still have.
pub struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: Cell::new(MAX_NODES), bytes: Cell::new(MAX_BYTES) }
    }
}

impl<'a> Reader<'a> {
    /// Returns a reader of YAML or of JSON.
    pub fn new(source: &'a str, yaml: bool, budget: &'a Budget) -> Self {
        Self { source, yaml, budget }
    }

    fn spend<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        let nodes = self.budget.nodes.get().checked_sub(1);
        let bytes = self.budget.bytes.get().checked_sub(bytes);
        let (Some(nodes), Some(bytes)) = (nodes, bytes) else {
            return Err(E::custom("too many values, or aliases that repeat too much"));
        };
        self.budget.nodes.set(nodes);
        self.budget.bytes.set(bytes);
        Ok(())
    }

    /// Returns the offset of a borrowed text, if it is part of the source.
    fn place(self, text: &str) -> Option<usize> {
        let at = (text.as_ptr() as usize).checked_sub(self.source.as_ptr() as usize)?;
        (at + text.len() <= self.source.len()).then_some(at)
    }

    fn plain(value: Value) -> Node {
        Node { value, at: None }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        self.spend(0)?;
        Ok(Self::plain(Value::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Node, E> {
        self.spend(0)?;
        Ok(Self::plain(Value::Bool(value)))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Node, E> {
        self.spend(0)?;
        Ok(Self::plain(Value::Integer(value)))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Node, E> {
        self.spend(0)?;
        Ok(Self::plain(i64::try_from(value).map_or(Value::Huge, Value::Integer)))
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Node, E> {
        self.spend(0)?;
        Ok(Self::plain(Value::Huge))
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Node, E> {
        self.spend(0)?;
        Ok(Self::plain(Value::Huge))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        self.spend(0)?;
        // The API server accepts `1e3` and `2.0` as integers: it reads them as JSON numbers.
        let whole = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
        let value = match value {
            v if whole => Value::Integer(v as i64),
            v if v.is_finite() && v.abs() >= 9_007_199_254_740_992.0 => Value::Huge,
            _ => Value::Fraction,
        };
        Ok(Self::plain(value))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Node, E> {
        self.spend(text.len())?;
        Ok(Self::plain(Value::Text(text.to_owned(), None)))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Node, E> {
        self.spend(text.len())?;
        let at = self.place(text);
        let quoted =
            at.and_then(|at| at.checked_sub(1)).is_some_and(|i| matches!(self.source.as_bytes()[i], b'"' | b'\''));
        let trap = if self.yaml && at.is_some() && !quoted { Trap::of(text) } else { None };
        Ok(Node { value: Value::Text(text.to_owned(), trap), at })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        self.spend(0)?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        let at = list.iter().find_map(|item| item.at);
        Ok(Node { value: Value::List(list), at })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        self.spend(0)?;
        let mut map: Vec<(Key, Node)> = Vec::new();
        while let Some(key) = entries.next_key_seed(self)? {
            let key = self.key(key);
            let mut value = entries.next_value_seed(self)?;
            value.at = value.at.or(key.at);
            map.push((key, value));
        }
        let at = map.iter().find_map(|(key, _)| key.at);
        Ok(Node { value: Value::Map(map), at })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Node, A::Error> {
        self.spend(0)?;
        let (_, content): (IgnoredAny, _) = data.variant()?;
        content.newtype_variant::<IgnoredAny>()?;
        Ok(Self::plain(Value::Tagged))
    }
}

impl Reader<'_> {
    fn key(self, node: Node) -> Key {
        let (text, fault) = match node.value {
            Value::Text(text, trap) => {
                let merge = self.yaml && text == "<<";
                let fault = if merge { Some(KeyFault::Merge) } else { trap.map(KeyFault::Trap) };
                (text, fault)
            }
            Value::Bool(value) => (value.to_string(), Some(KeyFault::NotText)),
            Value::Integer(value) => (value.to_string(), Some(KeyFault::NotText)),
            Value::Null | Value::Huge | Value::Fraction | Value::List(_) | Value::Map(_) | Value::Tagged => {
                ("?".to_owned(), Some(KeyFault::NotText))
            }
        };
        Key { text, at: node.at, fault }
    }
}

impl Node {
    /// Returns the member of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value)
    }

    /// Returns the text, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text, _) = &self.value { Some(text) } else { None }
    }

    /// Returns the node as JSON, without null members: the API server drops those.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null | Value::Huge | Value::Fraction | Value::Tagged => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(value) => (*value).into(),
            Value::Text(text, _) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .filter(|(_, value)| !matches!(value.value, Value::Null))
                .map(|(key, value)| (key.text.clone(), value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_that_yaml_1_1_reads_differently_is_a_trap() {
        for text in ["yes", "No", "ON", "off", "y", "N"] {
            assert_eq!(Trap::of(text), Some(Trap::Boolean), "{text}");
        }
        for text in ["0777", "00", "-012", "099"] {
            assert_eq!(Trap::of(text), Some(Trap::Octal), "{text}");
        }
        for text in ["1_000", "0x1_f", "1_0.5", "+1_000"] {
            assert_eq!(Trap::of(text), Some(Trap::Separator), "{text}");
        }
        for text in ["1:30", "12:30:45", "190:20:30.15"] {
            assert_eq!(Trap::of(text), Some(Trap::Sexagesimal), "{text}");
        }
    }

    #[test]
    fn ordinary_texts_are_no_traps() {
        for text in [
            "",
            "a",
            "yEs",
            "nope",
            "7d",
            "1h30m",
            "10.0.0.1",
            "10.0.0.1:9092",
            "1:99",
            "host:9092",
            "0",
            "1__a",
            "_1",
            "-",
            "0x",
            "2026-11-02",
            "1:",
        ] {
            assert_eq!(Trap::of(text), None, "{text}");
        }
    }
}
