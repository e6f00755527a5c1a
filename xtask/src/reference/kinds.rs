//! Each kind as tables of its fields, from the CustomResourceDefinition that is installed.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Fields whose shape is Kubernetes' own and documented there.
const KUBERNETES: [&str; 4] = ["affinity", "conditions", "resources", "tolerations"];
/// Patterns that have a name in the guide.
const FORMS: [(&str, &str); 2] = [(POINTER, "path"), (DURATION, "duration")];
const POINTER: &str = "^(/([^~/]|~[01])*)+$";
const DURATION: &str = lethe_crds::duration::PATTERN;

/// A kind.
pub(super) struct Kind {
    /// Its name.
    pub(super) name: String,
    /// The same with the short name that kubectl knows.
    pub(super) heading: String,
    /// Its tables.
    pub(super) text: String,
}

/// Returns every kind.
pub(super) fn reference() -> Vec<Kind> {
    lethe_crds::crds().iter().filter_map(|crd| serde_json::to_value(crd).ok()).map(|crd| kind(&crd)).collect()
}

fn kind(crd: &Value) -> Kind {
    let mut out = String::new();
    let name = text(&crd["spec"]["names"], "kind");
    let short = crd["spec"]["names"]["shortNames"][0].as_str();
    let short = short.map(|short| format!(" (`kubectl get {short}`)")).unwrap_or_default();
    let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    rules(&mut out, root);
    for part in ["spec", "status"] {
        let schema = &root["properties"][part];
        if schema.is_object() {
            object(&mut out, name, part, schema);
        }
    }
    Kind { name: name.to_owned(), heading: format!("{name}{short}"), text: out }
}

/// Appends the table of an object, then those of the objects in it.
fn object(out: &mut String, kind: &str, path: &str, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else { return };
    let _ = write!(out, "## {kind} {path}\n{}\n\n| FIELD | TYPE | MEANING |\n|---|---|---|\n", first(schema));
    for (name, field) in in_order(fields, schema) {
        let (inner, of_list) = item(field);
        let needed = if is_required(schema, name) { ", required" } else { "" };
        let mut shape = shape(name, inner);
        if of_list {
            let most = field["maxItems"].as_i64().unwrap_or_default();
            shape = format!("list of {shape}, at most {most}");
        }
        if has_table(name, inner) {
            let anchor = anchor(kind, &below(path, name, of_list));
            shape = format!("[{shape}](#{anchor})");
        }
        let _ = writeln!(out, "| `{name}` | {shape}{needed} | {} |", meaning(field, inner));
    }
    out.push('\n');
    rules(out, schema);
    for (name, field) in in_order(fields, schema) {
        let (inner, of_list) = item(field);
        if has_table(name, inner) {
            object(out, kind, &below(path, name, of_list), inner);
        }
    }
}

/// Returns the fields, required ones first, each group by name.
fn in_order<'s>(fields: &'s Map<String, Value>, schema: &Value) -> Vec<(&'s str, &'s Value)> {
    let mut all: Vec<(&str, &Value)> = fields.iter().map(|(name, field)| (name.as_str(), field)).collect();
    all.sort_by_key(|(name, _)| (!is_required(schema, name), *name));
    all
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
}

/// Returns the schema of a field, or of its items and true if it is a list.
fn item(field: &Value) -> (&Value, bool) {
    if field["items"].is_object() { (&field["items"], true) } else { (field, false) }
}

fn below(path: &str, name: &str, of_list: bool) -> String {
    format!("{path}.{name}{}", if of_list { "[]" } else { "" })
}

/// Whether an object is large enough for a table of its own.
fn has_table(name: &str, schema: &Value) -> bool {
    let only_name = |fields: &Map<String, Value>| fields.len() == 1 && fields.contains_key("name");
    !KUBERNETES.contains(&name)
        && schema["properties"].as_object().is_some_and(|fields| !fields.is_empty() && !only_name(fields))
}

fn shape(name: &str, schema: &Value) -> String {
    if KUBERNETES.contains(&name) {
        return "as in Kubernetes".to_owned();
    }
    match schema["type"].as_str() {
        Some("string") if schema["enum"].is_array() => "choice".to_owned(),
        Some("string") => {
            let pattern = schema["pattern"].as_str().unwrap_or_default();
            let form = FORMS.iter().find(|(known, _)| *known == pattern).map(|(_, form)| *form);
            form.map_or_else(|| "text".to_owned(), str::to_owned)
        }
        Some("integer") => match (bound(schema, "minimum"), bound(schema, "maximum")) {
            (Some(least), Some(most)) => format!("integer, {least} to {most}"),
            (Some(least), None) => format!("integer from {least}"),
            _ => "integer".to_owned(),
        },
        Some("boolean") => "true or false".to_owned(),
        Some("object") if schema["additionalProperties"].is_object() => "map of text".to_owned(),
        Some("object") => match schema["properties"].as_object().map(Map::len) {
            None | Some(0) => "`{}`".to_owned(),
            Some(1) if schema["properties"]["name"].is_object() => "`{name}`".to_owned(),
            Some(_) => "object".to_owned(),
        },
        _ => "any".to_owned(),
    }
}

/// Returns a bound: a whole number, though a CustomResourceDefinition has it as a float.
fn bound(schema: &Value, which: &str) -> Option<i64> {
    schema[which].as_f64().map(|bound| bound as i64)
}

/// Returns the cell about a field: its description on one line, and its form.
fn meaning(field: &Value, inner: &Value) -> String {
    let words = [field, inner].map(|one| text(one, "description")).into_iter().find(|words| !words.is_empty());
    let mut out = cell(words.unwrap_or_default());
    let pattern = inner["pattern"].as_str().unwrap_or_default();
    if FORMS.iter().all(|(known, _)| *known != pattern) && !pattern.is_empty() {
        let _ = write!(out, " Form: `{}`.", pattern.replace('|', "\\|"));
    }
    let open = pattern.is_empty() || (pattern != DURATION && pattern.contains(['*', '+']));
    if let Some(most) = inner["maxLength"].as_i64().filter(|_| open && inner["enum"].is_null()) {
        let _ = write!(out, " At most {most} characters.");
    }
    out
}

/// Returns a description as a cell of a table: its choices below each other.
fn cell(description: &str) -> String {
    let mut out = String::new();
    for line in description.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((choice, what)) = line.strip_prefix("- ").and_then(|line| line.split_once(": ")) {
            let _ = write!(out, "<br>`{choice}`: {what}");
        } else {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(line);
        }
    }
    // A bar ends a cell, in code as well.
    out.replace('|', "\\|")
}

/// Appends what the API server checks beside the types.
fn rules(out: &mut String, schema: &Value) {
    let all = schema["x-kubernetes-validations"].as_array();
    let messages: Vec<&str> = all.into_iter().flatten().filter_map(|rule| rule["message"].as_str()).collect();
    if messages.is_empty() {
        return;
    }
    out.push_str("Rules:\n");
    for message in messages {
        let _ = writeln!(out, "- {message}");
    }
    out.push('\n');
}

fn first(schema: &Value) -> &str {
    text(schema, "description").lines().next().unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Returns the anchor that GitHub gives a heading.
fn anchor(kind: &str, path: &str) -> String {
    let kept = format!("{kind} {path}").to_lowercase();
    kept.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' '))
        .collect::<String>()
        .replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_leads_to_a_heading() {
        let text: String = reference().into_iter().map(|kind| kind.text).collect();
        let headings: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .filter_map(|heading| heading.split_once(' '))
            .map(|(kind, path)| anchor(kind, path))
            .collect();
        let mut links = 0;
        for link in text.split("](#").skip(1).filter_map(|rest| rest.split_once(')')) {
            assert!(headings.iter().any(|heading| heading == link.0), "{} leads nowhere", link.0);
            links += 1;
        }
        assert!(links > 20, "{links} links");
    }

    #[test]
    fn every_row_has_three_cells() {
        for row in reference().iter().flat_map(|kind| kind.text.lines()).filter(|line| line.starts_with("| ")) {
            let bars = row.replace("\\|", "").matches('|').count();
            assert_eq!(bars, 4, "{row}");
        }
    }
}
