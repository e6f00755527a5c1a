//! Checks names, namespaces and labels as an API server does.

use super::{
    kinds::Kind,
    node::{Node, Value},
    schema::Found,
};

/// Most characters of a label, of a namespace, or of one part of a host name.
const LABEL: usize = 63;
/// Most characters of an object's name, or of the prefix of a label's key.
const SUBDOMAIN: usize = 253;

/// Returns what is wrong with the metadata of an object.
pub fn check(kind: Kind, object: &Node) -> Vec<Found> {
    let mut found = Vec::new();
    let mut report = |at: Option<usize>, path: String, what: &str, fix: &str| {
        found.push(Found { at, path, what: what.to_owned(), fix: fix.to_owned() });
    };
    let Some(metadata) = object.get("metadata") else {
        report(object.at, "metadata".to_owned(), "is missing", "add metadata.name");
        return found;
    };
    let name = metadata.get("name").filter(|name| !matches!(name.value, Value::Null));
    match name {
        None => report(metadata.at, "metadata.name".to_owned(), "is missing", "name the object"),
        Some(name) => {
            if let Some(text) = name.text()
                && !(if kind.namespaced() { subdomain(text) } else { label_name(text) })
            {
                report(
                    name.at,
                    "metadata.name".to_owned(),
                    "is no name of an object",
                    "write lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
                );
            }
        }
    }
    // The API server ignores the namespace of a cluster-scoped kind.
    if let Some(namespace) = metadata.get("namespace").filter(|_| kind.namespaced())
        && namespace.text().is_some_and(|text| !text.is_empty() && !label_name(text))
    {
        report(
            namespace.at,
            "metadata.namespace".to_owned(),
            "is no name of a namespace",
            "write at most 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit",
        );
    }
    for (member, values) in [("labels", true), ("annotations", false)] {
        let Some(Value::Map(entries)) = metadata.get(member).map(|node| &node.value) else { continue };
        for (key, value) in entries {
            if !qualified(&key.text) {
                report(
                    key.at,
                    format!("metadata.{member}"),
                    "has a key that is none",
                    "write `name` or `domain/name`, the name of at most 63 letters, digits, `-`, `_` and `.`",
                );
            }
            if values && value.text().is_some_and(|text| !label_value(text)) {
                report(
                    value.at,
                    format!("metadata.{member}"),
                    "has a value that is none",
                    "write at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit",
                );
            }
        }
    }
    found
}

/// Returns whether the text is a label of a domain name (RFC 1123).
fn label_name(text: &str) -> bool {
    text.len() <= LABEL
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// Returns whether the text is a domain name (RFC 1123). Its labels have no limit of their own.
fn subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN
        && text.split('.').all(|label| {
            label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && label.starts_with(|c: char| c.is_ascii_alphanumeric())
                && label.ends_with(|c: char| c.is_ascii_alphanumeric())
        })
}

fn label_value(text: &str) -> bool {
    text.is_empty() || word(text)
}

fn word(text: &str) -> bool {
    text.len() <= LABEL
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// Returns whether the text is a key of a label or annotation.
fn qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => subdomain(&prefix.to_ascii_lowercase()) && word(name),
        None => word(text),
    }
}
