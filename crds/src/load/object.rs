//! From a document's tree to an object: determines its kind, checks it, and adds it.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{
    Loader,
    document::Document,
    kinds::{self, Kind},
    metadata,
    mistake::{Mistake, Place},
    nearest::nearest,
    node::{Node, Value},
    resources::{ConfigMap, DEFAULT_NAMESPACE, Namespace, Objects},
    schema::Found,
    secret::{Secret, SecretValue},
};
use crate::{DataStore, ProfilePipeline};

/// Most bytes of the values of a Secret or ConfigMap, as in Kubernetes.
const MAX_DATA: usize = 1024 * 1024;

/// The document that an object is read from.
pub struct Source<'a> {
    /// The file's name.
    pub file: &'a str,
    /// The document in it.
    pub document: &'a Document<'a>,
}

impl Source<'_> {
    fn place(&self, at: Option<usize>) -> Place {
        let lines = |at: usize| self.document.text[..at].matches('\n').count();
        let line = at.filter(|at| self.document.text.is_char_boundary(*at)).map_or(0, lines) + self.document.line;
        Place { file: self.file.to_owned(), document: self.document.number, line: Some(line) }
    }

    fn mistake(&self, found: Found) -> Mistake {
        Mistake { place: self.place(found.at), path: found.path, what: found.what, fix: found.fix }
    }
}

/// Checks an object and adds it, or its mistakes.
pub fn add(loader: &mut Loader, source: &Source<'_>, node: &Node) {
    let mistakes = match kind(node) {
        Ok(None) => {
            // A List, the format of `kubectl get -o yaml`.
            if let Some(Value::List(items)) = node.get("items").map(|items| &items.value) {
                for item in items {
                    add_item(loader, source, item);
                }
            }
            return;
        }
        Ok(Some(kind)) => match check(kind, node) {
            found if found.is_empty() => take(loader, source, kind, node),
            found => found,
        },
        Err(found) => vec![found],
    };
    loader.mistakes.extend(mistakes.into_iter().map(|found| source.mistake(found)));
}

/// Adds an item of a List, which can't be a List itself.
fn add_item(loader: &mut Loader, source: &Source<'_>, node: &Node) {
    if let Ok(None) = kind(node) {
        let found = Found {
            at: node.at,
            path: "items".to_owned(),
            what: "holds a List".to_owned(),
            fix: "write its items out".to_owned(),
        };
        loader.mistakes.push(source.mistake(found));
    } else {
        add(loader, source, node);
    }
}

/// Returns the kind of an object; `None` for a `v1` List.
fn kind(node: &Node) -> Result<Option<Kind>, Found> {
    let found = |at: Option<usize>, path: &str, what: String, fix: String| Found {
        at: at.or(node.at),
        path: path.to_owned(),
        what,
        fix,
    };
    let read = || {
        let all: Vec<String> = Kind::ALL.iter().map(|kind| format!("{} {}", kind.api_version(), kind.name())).collect();
        format!("what is read: {}", all.join(", "))
    };
    if !matches!(node.value, Value::Map(_)) {
        return Err(found(None, "", "the document is no object".to_owned(), read()));
    }
    let text = |name: &'static str| match node.get(name).map(|member| (member.at, member.text())) {
        Some((at, Some(text))) => Ok((at, text)),
        Some((at, None)) => Err(found(at, name, "must be a text".to_owned(), read())),
        None => Err(found(None, name, "is missing".to_owned(), read())),
    };
    let (version_at, version) = text("apiVersion")?;
    let (kind_at, name) = text("kind")?;
    if (version, name) == ("v1", "List") {
        return Ok(None);
    }
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
        let fix = match nearest(name, Kind::ALL.iter().map(|kind| kind.name())) {
            Some(near) => format!("did you mean `{near}`? ({})", read()),
            None => read(),
        };
        // A text that does not look like a kind could be personal and is not repeated.
        let shown = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric());
        let what =
            if shown { format!("`{name}` is a kind that isn't read") } else { "is a kind that isn't read".to_owned() };
        return Err(found(kind_at, "kind", what, fix));
    };
    if version != kind.api_version() {
        let fix = format!("write `{}`", kind.api_version());
        return Err(found(version_at, "apiVersion", format!("is not one of {name} that is read"), fix));
    }
    Ok(Some(kind))
}

/// Returns everything that is wrong with an object.
fn check(kind: Kind, node: &Node) -> Vec<Found> {
    let mut found = kind.schema().check(node, kind.quiet());
    // Metadata that is not an object has no members to check.
    found.extend(
        metadata::check(kind, node)
            .into_iter()
            .filter(|f| node.get("metadata").is_none_or(|m| matches!(m.value, Value::Map(_))) || f.path == "metadata"),
    );
    dedup(&mut found);
    found.truncate(128);
    let shapely = found.is_empty();
    for broken in kinds::broken_rules(kind, &node.to_json()) {
        // A rule can't be evaluated if a member has the wrong type; that mistake is reported above.
        if shapely || broken.kind == kube_cel::ErrorKind::ValidationFailure {
            found.push(Found {
                at: place(node, &broken.field_path),
                path: broken.field_path,
                what: broken.message,
                fix: String::new(),
            });
        }
    }
    found
}

/// Removes duplicates: two checks may report the same missing member.
fn dedup(found: &mut Vec<Found>) {
    let mut seen = std::collections::HashSet::new();
    found.retain(|f| f.what != "is missing" || seen.insert(f.path.clone()));
}

/// Returns the offset of the value at a path such as `spec.fields[3].protect`.
fn place(root: &Node, path: &str) -> Option<usize> {
    let mut node = root;
    let mut at = root.at;
    for step in path.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
        let next = if let Value::List(items) = &node.value {
            step.parse::<usize>().ok().and_then(|index| items.get(index))
        } else {
            node.get(step)
        };
        let Some(next) = next else { break };
        node = next;
        at = node.at.or(at);
    }
    at
}

/// Adds a checked object. Returns mistakes if it does not fit its type, or another object has its
/// name.
fn take(loader: &mut Loader, source: &Source<'_>, kind: Kind, node: &Node) -> Vec<Found> {
    let mut found = Vec::new();
    let name = node.get("metadata").and_then(|m| m.get("name")).and_then(Node::text).unwrap_or_default();
    let namespace = match node.get("metadata").and_then(|m| m.get("namespace")).and_then(Node::text) {
        _ if !kind.namespaced() => "",
        None | Some("") => DEFAULT_NAMESPACE,
        Some(text) => text,
    };
    let place = source.place(node.at);
    let resources = &mut loader.resources;
    let added = match kind {
        Kind::DataStore => typed::<DataStore>(node, namespace, &mut found)
            .map(|object| resources.data_stores.add(namespace, name, object, place)),
        Kind::ProfilePipeline => typed::<ProfilePipeline>(node, namespace, &mut found)
            .map(|object| resources.pipelines.add(namespace, name, object, place)),
        Kind::Secret => {
            Some(add_to(&mut resources.secrets, secret(node, namespace, name, &mut found), namespace, name, place))
        }
        Kind::ConfigMap => {
            let data = texts(node.get("data"));
            if data.values().map(String::len).sum::<usize>() > MAX_DATA {
                found.push(Found {
                    at: node.at,
                    path: "data".to_owned(),
                    what: "has more than 1 MiB".to_owned(),
                    fix: "split it".to_owned(),
                });
            }
            data_keys(node, &["data", "binaryData"], &mut found);
            let object = ConfigMap { namespace: namespace.to_owned(), name: name.to_owned(), data };
            Some(add_to(&mut resources.config_maps, object, namespace, name, place))
        }
        Kind::Namespace => {
            let object = Namespace { name: name.to_owned(), labels: labels(node) };
            Some(add_to(&mut resources.namespaces, object, namespace, name, place))
        }
    };
    if let Some(Err(first)) = added {
        found.push(Found {
            at: node.get("metadata").and_then(|m| m.get("name")).and_then(|n| n.at).or(node.at),
            path: "metadata.name".to_owned(),
            what: format!("is the name of another {} of this namespace, at {first}", kind.name()),
            fix: "remove or rename one of the two".to_owned(),
        });
    }
    found
}

fn add_to<T>(objects: &mut Objects<T>, object: T, namespace: &str, name: &str, place: Place) -> Result<(), Place> {
    objects.add(namespace, name, object, place)
}

/// Returns an object of one of Lethe's own kinds, with its namespace set.
fn typed<T: DeserializeOwned>(node: &Node, namespace: &str, found: &mut Vec<Found>) -> Option<T> {
    let mut json = node.to_json();
    json["metadata"]["namespace"] = namespace.into();
    if let Json::Object(members) = &mut json {
        members.remove("status");
    }
    if let Json::Object(metadata) = &mut json["metadata"] {
        metadata.remove("managedFields");
    }
    serde_json::from_value(json)
        .map_err(|error| {
            let what = format!("fits its schema but not its type: {error}");
            found.push(Found {
                at: node.at,
                path: String::new(),
                what,
                fix: "report this as a bug of Lethe".to_owned(),
            });
        })
        .ok()
}

fn labels(node: &Node) -> BTreeMap<String, String> {
    texts(node.get("metadata").and_then(|m| m.get("labels")))
}

fn texts(node: Option<&Node>) -> BTreeMap<String, String> {
    members(node).filter_map(|(key, value)| Some((key.to_owned(), value.text()?.to_owned()))).collect()
}

fn members(node: Option<&Node>) -> impl Iterator<Item = (&str, &Node)> {
    let entries = if let Some(Node { value: Value::Map(entries), .. }) = node { entries.as_slice() } else { &[] };
    entries.iter().map(|(key, value)| (key.text.as_str(), value))
}

/// Checks the keys of a Secret or ConfigMap: letters, digits, `-`, `_` and `.`. Messages do not
/// repeat them: a value in the place of a key by mistake would be shown.
fn data_keys(node: &Node, sections: &[&str], found: &mut Vec<Found>) {
    for section in sections {
        for (key, value) in members(node.get(section)) {
            let good = !key.is_empty() && key.len() <= 253 && key != "." && !key.starts_with("..");
            if !good || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
                found.push(Found {
                    at: value.at,
                    path: (*section).to_owned(),
                    what: "has a key that is none".to_owned(),
                    fix: "write letters, digits, `-`, `_` and `.`".to_owned(),
                });
            }
        }
    }
}

fn secret(node: &Node, namespace: &str, name: &str, found: &mut Vec<Found>) -> Secret {
    data_keys(node, &["data", "stringData"], found);
    let mut data = BTreeMap::new();
    for (key, value) in members(node.get("data")) {
        match value.text().map(decoded) {
            Some(Some(bytes)) => {
                data.insert(key.to_owned(), SecretValue::new(bytes));
            }
            Some(None) => found.push(Found {
                at: value.at,
                path: "data".to_owned(),
                what: "holds a value that is not base64".to_owned(),
                fix: "encode it, or write it under stringData".to_owned(),
            }),
            None => {}
        }
    }
    for (key, value) in members(node.get("stringData")) {
        if let Some(text) = value.text() {
            data.insert(key.to_owned(), SecretValue::new(text.as_bytes().to_vec()));
        }
    }
    if data.values().map(|value| value.expose().len()).sum::<usize>() > MAX_DATA {
        found.push(Found {
            at: node.at,
            path: "data".to_owned(),
            what: "has more than 1 MiB".to_owned(),
            fix: "split it".to_owned(),
        });
    }
    Secret {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        labels: labels(node),
        secret_type: node.get("type").and_then(Node::text).filter(|t| !t.is_empty()).unwrap_or("Opaque").to_owned(),
        data,
    }
}

/// Decodes base64 as the API server does: line breaks inside are skipped.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    serde_json::from_value::<ByteString>(text.into()).ok().map(|bytes| bytes.0)
}
