//! Walks through the JSON of an event, and searches every string and number at its node.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Survey, path_tree::ROOT};

/// Walks through an event. Without a survey it only validates the JSON, so that nothing of a
/// malformed event is counted.
pub(super) fn through(survey: Option<&mut Survey>, text: &str) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Value { survey, node: ROOT }.deserialize(&mut reader)?;
    reader.end()
}

/// A value at a node.
struct Value<'s> {
    survey: Option<&'s mut Survey>,
    node: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if let Some(survey) = self.survey {
            survey.search_text(self.node, text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let node = self.survey.as_mut().map_or(ROOT, |survey| survey.tree.element(self.node));
        while elements.next_element_seed(Value { survey: self.survey.as_deref_mut(), node })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(node) = members.next_key_seed(Key { survey: self.survey.as_deref_mut(), node: self.node })? {
            members.next_value_seed(Value { survey: self.survey.as_deref_mut(), node })?;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_str(&number.to_string())
    }

    /// `4.111111111111111e15` is a card: shown without an exponent, which `Display` does.
    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.visit_str(&number.to_string())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key of the object at a node. Deserialises to the node of its value.
struct Key<'s> {
    survey: Option<&'s mut Survey>,
    node: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<usize, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<usize, E> {
        Ok(self.survey.map_or(ROOT, |survey| survey.member(self.node, key)))
    }
}
