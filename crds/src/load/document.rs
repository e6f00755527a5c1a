//! From text to documents: limits, the split, YAML or JSON.

use std::sync::LazyLock;

use regex::Regex;
use serde::de::DeserializeSeed;

use super::node::{Budget, Node, Reader, Value};

/// Most bytes of a document: twice what an API server accepts.
pub const MAX_BYTES: usize = 3 * 1024 * 1024;
/// Most brackets open at once. A document nests 128 deep at most; this bounds the time of the YAML
/// scanner, which grows with the square of open brackets.
const MAX_BRACKETS: usize = 256;

/// A document of a text.
pub struct Document<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Its text.
    pub text: &'a str,
    /// Line of the file at which it begins, from 1.
    pub line: usize,
}

/// Why a document can't be read. Messages contain no text of the document.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It has too many bytes.
    #[error("the document has more than 3 MiB, more than an API server takes; split it")]
    TooLong,
    /// It is nested too deeply.
    #[error("more than 256 brackets are open at once; close them")]
    TooDeep,
    /// It is not YAML.
    #[error("not YAML: {what}")]
    Yaml {
        /// The parser's message.
        what: String,
        /// Line in the document, from 1.
        line: Option<usize>,
    },
    /// It is not JSON.
    #[error("not JSON: {what}")]
    Json {
        /// The parser's message.
        what: String,
        /// Line in the document, from 1.
        line: Option<usize>,
    },
    /// It contains two documents without a separator.
    #[error("two YAML documents without `---` on a line of its own between them; add it")]
    Unseparated,
}

impl DocumentError {
    /// Returns the line in the document, from 1, if it is known.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Yaml { line, .. } | Self::Json { line, .. } => *line,
            Self::TooLong | Self::TooDeep | Self::Unseparated => None,
        }
    }
}

/// Splits a text at lines that begin with `---`, as kubectl does, so that a mistake in one document
/// does not hide mistakes in another.
pub fn split(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut starts = vec![(0, 1)];
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let separates =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if separates && offset > 0 {
            starts.push((offset, index + 1));
        }
        offset += line.len();
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    let parts = starts.iter().zip(ends).map(|(&(start, line), end)| (&text[start..end], line));
    let filled = parts.filter(|(part, _)| !blank(part));
    filled.enumerate().map(|(index, (text, line))| Document { number: index + 1, text, line }).collect()
}

/// Returns whether a document contains nothing but comments.
fn blank(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#') || line == "---" || line.starts_with("--- #"))
}

/// Reads a document: as JSON if it begins with a brace and is valid JSON, else as YAML. A JSON
/// document may contain several objects in a row.
pub fn read(text: &str, json: bool) -> Result<Vec<Node>, DocumentError> {
    if text.len() > MAX_BYTES {
        return Err(DocumentError::TooLong);
    }
    if too_deep(text) {
        return Err(DocumentError::TooDeep);
    }
    if text.trim_start().starts_with('{') || json {
        match read_json(text) {
            Err(_) if !json => {}
            result => return result,
        }
    }
    read_yaml(text)
}

fn too_deep(text: &str) -> bool {
    let mut open: usize = 0;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_BRACKETS {
            return true;
        }
    }
    false
}

fn read_json(text: &str) -> Result<Vec<Node>, DocumentError> {
    let fail = |error: &serde_json::Error| DocumentError::Json {
        what: without_place(error),
        line: Some(error.line()).filter(|l| *l > 0),
    };
    let budget = Budget::default();
    let reader = Reader::new(text, false, &budget);
    let mut nodes = Vec::new();
    let mut rest = serde_json::Deserializer::from_str(text);
    // `end` is an error while something follows.
    while rest.end().is_err() {
        let mut node = reader.deserialize(&mut rest).map_err(|e| fail(&e))?;
        node.at = node.at.or(Some(0));
        nodes.push(node);
    }
    Ok(nodes)
}

fn read_yaml(text: &str) -> Result<Vec<Node>, DocumentError> {
    let fail = |error: &serde_yaml::Error| DocumentError::Yaml {
        what: without_place(error),
        line: error.location().map(|l| l.line()),
    };
    let budget = Budget::default();
    let reader = Reader::new(text, true, &budget);
    let mut nodes = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        nodes.push(reader.deserialize(document).map_err(|e| fail(&e))?);
    }
    nodes.retain(|node| !matches!(node.value, Value::Null));
    if nodes.len() > 1 {
        return Err(DocumentError::Unseparated);
    }
    Ok(nodes)
}

/// Returns the parser's message without its line and column, which count from the start of the
/// document.
fn without_place(error: &impl ToString) -> String {
    static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r",? at line \d+ column \d+").ok());
    let text = error.to_string();
    PLACE.as_ref().map_or_else(|| text.clone(), |place| place.replace_all(&text, "").into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn lines(text: &str) -> Vec<(usize, usize)> {
        split(text).iter().map(|d| (d.number, d.line)).collect()
    }

    #[test]
    fn documents_are_split_at_separators_and_keep_their_lines() {
        assert_eq!(lines(""), []);
        assert_eq!(lines("# nothing\n---\n---\n"), []);
        assert_eq!(lines("a: 1\n"), [(1, 1)]);
        assert_eq!(lines("---\na: 1\n---\nb: 1\n"), [(1, 1), (2, 3)]);
        assert_eq!(lines("a: 1\r\n---\r\nb: 1\r\n"), [(1, 1), (2, 2)]);
        assert_eq!(lines("a: |\n  ---\n  x\n"), [(1, 1)]);
        assert_eq!(lines("\u{feff}a: 1\n---x: 2\n"), [(1, 1)]);
    }

    #[test]
    fn aliases_that_expand_too_much_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..10 {
            let last = format!("*a{}", i - 1);
            bomb.extend([format!("a{i}: &a{i} [{}]\n", [last.as_str(); 10].join(", "))]);
        }
        assert!(matches!(read(&bomb, false), Err(DocumentError::Yaml { .. })));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), ["*a"; 100].join(", "));
        assert!(matches!(read(&long, false), Err(DocumentError::Yaml { .. })));
    }

    #[test]
    fn deep_nesting_is_refused_in_every_form() {
        for text in ["[".repeat(2_000), "{a: ".repeat(2_000), "- ".repeat(200_000), "[".repeat(500) + &"]".repeat(500)]
        {
            assert!(read(&text, false).is_err());
        }
        assert!(read(&("{\"a\":".repeat(900) + "1" + &"}".repeat(900)), true).is_err());
    }

    #[test]
    fn a_long_document_is_refused() {
        assert_eq!(read(&" ".repeat(MAX_BYTES + 1), false).err(), Some(DocumentError::TooLong));
    }

    #[test]
    fn a_scalar_knows_its_line_and_its_quotes() {
        let text = "a: yes\nb: 'yes'\n# ü\nc: \"yes\"\nd: [no, 'no']\n";
        let node = read(text, false).unwrap().remove(0);
        let traps = |name: &str| {
            let Value::Text(_, trap) = &node.get(name).unwrap().value else { unreachable!() };
            trap.is_some()
        };
        assert!(traps("a") && !traps("b") && !traps("c"));
        assert_eq!(node.get("c").unwrap().at, Some(text.find("yes\"").unwrap()));
        let Value::List(items) = &node.get("d").unwrap().value else { unreachable!() };
        assert!(matches!(items[0].value, Value::Text(_, Some(_))) && matches!(items[1].value, Value::Text(_, None)));
    }
}
