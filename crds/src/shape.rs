//! The shapes of scalars: a pattern, a maximum length and one sentence of advice for each kind of
//! text that a user writes. The CRDs contain the patterns. The loader's messages contain the
//! advice; `kubectl` shows the pattern only.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::duration;

/// A kind of text.
#[derive(Debug)]
pub struct Shape {
    /// Regular expression that it must match, in the common subset of RE2 (the API server's) and
    /// Rust's `regex`.
    pub pattern: &'static str,
    /// Most characters it may have.
    pub max: u32,
    /// What to write, with an example. No part of it comes from a manifest.
    pub advice: &'static str,
}

const POINTER: Shape = Shape {
    pattern: r"^(/([^~/]|~[01])*)+$",
    max: 256,
    advice: "write a JSON Pointer: it begins with `/`, as in `/address/city`; `~` is written `~0`, `/` inside a key `~1`",
};
const KEY_POINTER: Shape = Shape { pattern: r"^(/([^~/]|~[01])*)*$", ..POINTER };
const IDENTIFIER: Shape = Shape {
    pattern: "^[a-z][a-z0-9_-]*$",
    max: 40,
    advice: "write a short identifier: a lower-case letter, then lower-case letters, digits, `_` or `-`",
};
const CATEGORY: Shape = Shape {
    pattern: r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$",
    max: 128,
    advice: "write a category of the Fides taxonomy in lower case, as in `user.contact.email`",
};
const OBJECT_NAME: Shape = Shape {
    pattern: r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    max: 40,
    advice: "write the name of an object: lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
};
const FOREIGN_NAME: Shape = Shape { max: 253, ..OBJECT_NAME };
const DATA_KEY: Shape = Shape {
    pattern: "^[-._a-zA-Z0-9]+$",
    max: 253,
    advice: "write a key of its data: letters, digits, `-`, `_` and `.`",
};
const ADDRESS: Shape = Shape {
    pattern: r"^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?):[0-9]{1,5}$",
    max: 261,
    advice: "write `host:port`, as in `kafka-0.kafka:9092`; an IPv6 address is written in brackets",
};
const TOPIC: Shape =
    Shape { pattern: "^[a-zA-Z0-9._-]+$", max: 249, advice: "write a topic name: letters, digits, `.`, `_` and `-`" };
const CQL_NAME: Shape = Shape {
    pattern: "^[a-zA-Z][a-zA-Z0-9_]*$",
    max: 48,
    advice: "write a CQL name: a letter, then letters, digits or `_`",
};
const EMBEDDED_TABLE: Shape = Shape {
    pattern: "^[a-z][a-z0-9_]{0,62}$",
    max: 63,
    advice: "write a table name: a lower-case letter, then up to 62 lower-case letters, digits or `_`",
};
const DATABASE: Shape =
    Shape { pattern: "^[a-zA-Z0-9_-]+$", max: 63, advice: "write a database name: letters, digits, `_` and `-`" };
const COLLECTION: Shape = Shape {
    pattern: "^[a-zA-Z_][a-zA-Z0-9_.-]*$",
    max: 120,
    advice: "write a collection name: a letter or `_`, then letters, digits, `_`, `-` or `.`",
};
const REGION: Shape =
    Shape { pattern: "^[A-Z]{2}$", max: 2, advice: "write a region of ISO 3166-1 in two capital letters, as in `CH`" };
const KEEP_FOR: Shape =
    Shape { pattern: "^([1-9]|1[0-9]|2[01])d$", max: 3, advice: "write whole days from `1d` to `21d`" };
const DELIMITER: Shape =
    Shape { pattern: "^[\\t !#-~]$", max: 1, advice: "write one ASCII character that is no double quote, as in `;`" };
const DURATION: Shape = Shape {
    pattern: duration::PATTERN,
    max: 64,
    advice: "write numbers with a unit of ms, s, m, h, d or w, as in `7d` or `1h30m`; months and years have no fixed length: write `30d` or `365d`",
};

/// Every shape, for the loader's messages.
const ALL: [&Shape; 17] = [
    &POINTER,
    &KEY_POINTER,
    &IDENTIFIER,
    &CATEGORY,
    &OBJECT_NAME,
    &FOREIGN_NAME,
    &DATA_KEY,
    &ADDRESS,
    &TOPIC,
    &CQL_NAME,
    &EMBEDDED_TABLE,
    &DATABASE,
    &COLLECTION,
    &REGION,
    &KEEP_FOR,
    &DELIMITER,
    &DURATION,
];

/// Returns the advice for a text that does not match `pattern`.
pub fn advice(pattern: &str) -> Option<&'static str> {
    ALL.iter().find(|shape| shape.pattern == pattern).map(|shape| shape.advice)
}

impl Shape {
    fn schema(&self) -> Schema {
        json_schema!({"type": "string", "pattern": self.pattern, "minLength": 1, "maxLength": self.max})
    }

    fn list(&self, min: u32, max: u32) -> Schema {
        json_schema!({"type": "array", "minItems": min, "maxItems": max, "items": self.schema()})
    }
}

fn bounded(min: u32, max: u32) -> Schema {
    json_schema!({"type": "string", "minLength": min, "maxLength": max})
}

fn texts(min: u32, max: u32) -> Schema {
    json_schema!({"type": "array", "minItems": min, "maxItems": max, "items": bounded(1, 256)})
}

fn text_map(max: u32, value: u32) -> Schema {
    json_schema!({"type": "object", "maxProperties": max, "additionalProperties": bounded(0, value)})
}

/// Returns the schema of an enumeration of texts. The meanings of its values go into `title`, which
/// the definition moves to the end of the field's description: a CRD has no other place for them.
pub(crate) fn choice<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let schema = T::json_schema(generator).to_value();
    let mut values = Vec::new();
    let mut meanings = Vec::new();
    // Every variant has a doc comment, so schemars makes a branch for each.
    for variant in schema["oneOf"].as_array().into_iter().flatten() {
        let value = variant.get("const").unwrap_or(&variant["enum"][0]);
        let meaning = variant["description"].as_str().unwrap_or_default();
        meanings.push(format!("- {}: {}", value.as_str().unwrap_or_default(), meaning.replace('\n', " ")));
        values.push(value.clone());
    }
    json_schema!({"type": "string", "enum": values, "title": meanings.join("\n")})
}

/// Returns the schema of a list of an enumeration's texts.
pub(crate) fn choices<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let items = choice::<T>(generator).to_value();
    json_schema!({"type": "array", "minItems": 1, "maxItems": 16, "items": items})
}

/// Defines functions for `#[schemars(schema_with = "...")]`, each a shape or a list of one.
macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name(_: &mut SchemaGenerator) -> Schema { $schema })*
    };
}

shapes! {
    /// A JSON Pointer.
    pointer = POINTER.schema();
    /// A JSON Pointer into a key, or nothing for the key itself.
    key_pointer = json_schema!({"type": "string", "pattern": KEY_POINTER.pattern, "maxLength": KEY_POINTER.max});
    /// Pointers of declared fields.
    pointers = POINTER.list(1, 512);
    /// Name of a space, an alias, a sink or a class of keys.
    identifier = IDENTIFIER.schema();
    /// A category of data.
    category = CATEGORY.schema();
    /// Name of one of Lethe's own objects.
    object_name = OBJECT_NAME.schema();
    /// Name of an object of another kind, such as a Secret.
    foreign_name = FOREIGN_NAME.schema();
    /// Key in a Secret or ConfigMap.
    data_key = DATA_KEY.schema();
    /// Addresses of servers.
    addresses = ADDRESS.list(1, 64);
    /// A Kafka topic.
    topic = TOPIC.schema();
    /// A Kafka consumer group.
    group = bounded(1, 255);
    /// A Cassandra keyspace, table or column.
    cql_name = CQL_NAME.schema();
    /// Columns of a key.
    cql_names = CQL_NAME.list(1, 16);
    /// Columns of a key that may have none.
    clustering_names = CQL_NAME.list(0, 16);
    /// A table of an embedded store.
    embedded_table = EMBEDDED_TABLE.schema();
    /// A MongoDB database.
    database = DATABASE.schema();
    /// A MongoDB collection.
    collection = COLLECTION.schema();
    /// A region of phone numbers.
    region = REGION.schema();
    /// How long day keys are kept.
    keep_for = KEEP_FOR.schema();
    /// The separator of CSV cells.
    delimiter = DELIMITER.schema();
    /// A path on disk.
    disk_path = bounded(1, 1024);
    /// A short text that is not empty.
    text = bounded(1, 256);
    /// A short text that may be empty.
    any_text = bounded(0, 256);
    /// A JSON Schema's text.
    schema_text = bounded(2, 262_144);
    /// Up to 32 short texts.
    some_texts = texts(1, 32);
    /// Bounds of ranges.
    buckets = json_schema!({
        "type": "array", "minItems": 1, "maxItems": 64, "items": {"type": "integer", "format": "int64"}
    });
    /// Labels of a pod or node.
    labels = text_map(64, 63);
    /// Annotations of a pod.
    annotations = text_map(64, 16_384);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use regex::Regex;

    use super::*;

    #[test]
    fn every_pattern_compiles_and_is_anchored() {
        for shape in ALL {
            Regex::new(shape.pattern).unwrap();
            assert!(shape.pattern.starts_with('^') && shape.pattern.ends_with('$'), "{}", shape.pattern);
        }
    }

    #[test]
    fn shapes_match_what_they_advise_and_not_what_resembles_it() {
        for (shape, yes, no) in [
            (&POINTER, vec!["/email", "/a/*/b", "/a~1b", "/"], vec!["", "email", "/a~2", "#/a"]),
            (&IDENTIFIER, vec!["customers", "a-b_c1"], vec!["Customers", "1a", "a b", "ä"]),
            (&CATEGORY, vec!["user", "user.contact.phone_number"], vec!["user.", ".user", "User"]),
            (&OBJECT_NAME, vec!["a", "a-b.c1"], vec!["-a", "a-", "A", "a..b"]),
            (&ADDRESS, vec!["kafka:9092", "[::1]:9042", "10.0.0.1:1"], vec!["kafka", "kafka:", ":9092", "a b:1"]),
            (&EMBEDDED_TABLE, vec!["profiles"], vec!["1p", "Profiles", "p;drop"]),
            (&REGION, vec!["CH"], vec!["ch", "CHE"]),
            (&KEEP_FOR, vec!["1d", "9d", "10d", "21d"], vec!["0d", "22d", "1w", "24h"]),
            (&DELIMITER, vec![",", ";", "\t", "|"], vec!["", "\"", "ab", "\n"]),
            (&DURATION, vec!["7d", "1h30m"], vec!["banana7d", "-7d", "2y", "7"]),
        ] {
            let regex = Regex::new(shape.pattern).unwrap();
            for text in yes {
                assert!(regex.is_match(text), "{text} should match {}", shape.pattern);
            }
            for text in no {
                assert!(!regex.is_match(text), "{text} should not match {}", shape.pattern);
            }
        }
    }
}
