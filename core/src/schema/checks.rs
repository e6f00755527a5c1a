//! The checks of the walk on one value.

use std::{cmp::Ordering, sync::Arc};

use regex::Regex;
use serde_json::Value;

use super::{Residual, pattern};
use crate::json::{Numeric, compare};

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `null`
    Null = 1,
    /// `true`, `false`
    Bool = 2,
    /// An integer, as written or by value.
    Integer = 4,
    /// Any other number.
    Number = 8,
    /// A string.
    Text = 16,
    /// An array.
    Array = 32,
    /// An object.
    Object = 64,
}

/// A bound of numbers, its keyword, and which results of a comparison with it are allowed.
type Bound<'c> = (&'c Option<Numeric>, &'static str, fn(Ordering) -> bool);

/// A scalar in `enum` or `const`.
enum Literal {
    Null,
    Bool(bool),
    Number(Numeric),
    Text(Box<str>),
}

/// The checks of the walk on one value. Each check returns the keyword that was broken.
#[derive(Default)]
pub struct Checks {
    never: bool,
    types: Option<u8>,
    literals: Option<(&'static str, Vec<Literal>)>,
    constant: Option<Literal>,
    minimum: Option<Numeric>,
    maximum: Option<Numeric>,
    exclusive_minimum: Option<Numeric>,
    exclusive_maximum: Option<Numeric>,
    min_length: usize,
    max_length: Option<usize>,
    pattern: Option<Regex>,
    min_items: usize,
    max_items: Option<usize>,
    min_properties: usize,
    max_properties: Option<usize>,
    residual: Option<Arc<Residual>>,
}

impl Checks {
    /// Returns the checks of the schema `false`.
    pub(super) fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// Leaves everything to the `jsonschema` crate.
    pub(super) fn residual(residual: Arc<Residual>) -> Self {
        Self { residual: Some(residual), ..Self::default() }
    }

    /// Returns whether nothing is checked.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            never,
            types,
            literals,
            constant,
            minimum,
            maximum,
            exclusive_minimum,
            exclusive_maximum,
            min_length,
            max_length,
            pattern,
            min_items,
            max_items,
            min_properties,
            max_properties,
            residual,
        } = self;
        !never
            && types.is_none()
            && literals.is_none()
            && constant.is_none()
            && minimum.is_none()
            && maximum.is_none()
            && exclusive_minimum.is_none()
            && exclusive_maximum.is_none()
            && *min_length == 0
            && max_length.is_none()
            && pattern.is_none()
            && *min_items == 0
            && max_items.is_none()
            && *min_properties == 0
            && max_properties.is_none()
            && residual.is_none()
    }

    /// Adds one keyword; `false` if the walk cannot check it. An unknown keyword asserts nothing.
    pub(super) fn take(&mut self, keyword: &str, value: &Value) -> bool {
        match keyword {
            "type" => self.types = Some(types(value)),
            "enum" => {
                let Some(literals) = value.as_array().into_iter().flatten().map(literal).collect() else {
                    return false;
                };
                self.literals = Some(("enum", literals));
            }
            "const" => {
                let Some(constant) = literal(value) else { return false };
                self.constant = Some(constant);
            }
            "minimum" => return set(&mut self.minimum, numeric(value)),
            "maximum" => return set(&mut self.maximum, numeric(value)),
            "exclusiveMinimum" => return set(&mut self.exclusive_minimum, numeric(value)),
            "exclusiveMaximum" => return set(&mut self.exclusive_maximum, numeric(value)),
            "minLength" => self.min_length = size(value),
            "maxLength" => self.max_length = Some(size(value)),
            "pattern" => return set(&mut self.pattern, value.as_str().and_then(pattern::translate)),
            "minItems" => self.min_items = size(value),
            "maxItems" => self.max_items = Some(size(value)),
            "minProperties" => self.min_properties = size(value),
            "maxProperties" => self.max_properties = Some(size(value)),
            _ => {}
        }
        true
    }

    fn kind(&self, kind: Kind) -> Result<(), &'static str> {
        if self.never {
            return Err("false");
        }
        match self.types {
            Some(types) if types & kind as u8 == 0 => Err("type"),
            _ => Ok(()),
        }
    }

    fn literal(&self, equal: impl Fn(&Literal) -> bool) -> Result<(), &'static str> {
        if let Some((keyword, literals)) = &self.literals
            && !literals.iter().any(&equal)
        {
            return Err(keyword);
        }
        match &self.constant {
            Some(constant) if !equal(constant) => Err("const"),
            _ => Ok(()),
        }
    }

    /// Checks `null`.
    pub fn null(&self) -> Result<(), &'static str> {
        self.kind(Kind::Null)?;
        self.literal(|literal| matches!(literal, Literal::Null))
    }

    /// Checks `true` or `false`.
    pub fn boolean(&self, value: bool) -> Result<(), &'static str> {
        self.kind(Kind::Bool)?;
        self.literal(|literal| matches!(literal, Literal::Bool(b) if *b == value))
    }

    /// Checks a number.
    pub fn number(&self, value: Numeric) -> Result<(), &'static str> {
        self.kind(if value.is_integer() { Kind::Integer } else { Kind::Number })?;
        self.literal(|literal| matches!(literal, Literal::Number(n) if compare(*n, value).is_eq()))?;
        let bounds: [Bound<'_>; 4] = [
            (&self.minimum, "minimum", Ordering::is_ge),
            (&self.maximum, "maximum", Ordering::is_le),
            (&self.exclusive_minimum, "exclusiveMinimum", Ordering::is_gt),
            (&self.exclusive_maximum, "exclusiveMaximum", Ordering::is_lt),
        ];
        for (bound, keyword, holds) in bounds {
            if let Some(bound) = bound
                && !holds(compare(value, *bound))
            {
                return Err(keyword);
            }
        }
        Ok(())
    }

    /// Checks a string with its escapes undone.
    pub fn text(&self, value: &str) -> Result<(), &'static str> {
        self.kind(Kind::Text)?;
        self.literal(|literal| matches!(literal, Literal::Text(text) if **text == *value))?;
        // A text has at most as many characters as bytes, and at least a quarter of that, so most
        // texts need no count.
        if value.len() < self.min_length
            || (self.min_length > value.len() / 4 && value.chars().count() < self.min_length)
        {
            return Err("minLength");
        }
        if let Some(max) = self.max_length
            && value.len() > max
            && value.chars().count() > max
        {
            return Err("maxLength");
        }
        match &self.pattern {
            Some(pattern) if !pattern.is_match(value) => Err("pattern"),
            _ => Ok(()),
        }
    }

    /// Returns whether the characters of a string are checked, so that its escapes must be undone.
    pub fn reads_text(&self) -> bool {
        self.literals.is_some()
            || self.constant.is_some()
            || self.min_length > 0
            || self.max_length.is_some()
            || self.pattern.is_some()
    }

    /// Checks an array with this many elements.
    pub fn array(&self, items: usize) -> Result<(), &'static str> {
        self.kind(Kind::Array)?;
        self.literal(|_| false)?;
        if items < self.min_items {
            return Err("minItems");
        }
        if self.max_items.is_some_and(|max| items > max) { Err("maxItems") } else { Ok(()) }
    }

    /// Checks an object with this many members.
    pub fn object(&self, members: usize) -> Result<(), &'static str> {
        self.kind(Kind::Object)?;
        self.literal(|_| false)?;
        if members < self.min_properties {
            return Err("minProperties");
        }
        if self.max_properties.is_some_and(|max| members > max) { Err("maxProperties") } else { Ok(()) }
    }

    /// Returns what the `jsonschema` crate has to check.
    pub fn rest(&self) -> Option<&Residual> {
        self.residual.as_deref()
    }
}

fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let understood = value.is_some();
    *slot = value;
    understood
}

fn types(value: &Value) -> u8 {
    let one = |name: &str| match name {
        "null" => Kind::Null as u8,
        "boolean" => Kind::Bool as u8,
        "integer" => Kind::Integer as u8,
        "number" => Kind::Integer as u8 | Kind::Number as u8,
        "string" => Kind::Text as u8,
        "array" => Kind::Array as u8,
        "object" => Kind::Object as u8,
        _ => 0,
    };
    match value {
        Value::String(name) => one(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(one).fold(0, |all, bit| all | bit),
        _ => 0,
    }
}

fn literal(value: &Value) -> Option<Literal> {
    match value {
        Value::Null => Some(Literal::Null),
        Value::Bool(value) => Some(Literal::Bool(*value)),
        Value::Number(_) => numeric(value).map(Literal::Number),
        Value::String(text) => Some(Literal::Text(text.as_str().into())),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn numeric(value: &Value) -> Option<Numeric> {
    let number = value.as_number()?;
    Numeric::parse(&number.to_string(), !number.is_f64())
}

/// Returns a size as a schema writes it: `2` or `2.0`.
fn size(value: &Value) -> usize {
    value
        .as_u64()
        .and_then(|size| usize::try_from(size).ok())
        .or_else(|| value.as_f64().map(|size| size as usize))
        .unwrap_or(usize::MAX)
}
