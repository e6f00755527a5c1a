//! The loader of manifests: text -> documents -> checked objects.
//!
//! A run from files, `lint` and the operator's tests read manifests with it. It accepts and refuses
//! the same files as a real API server, and reports all mistakes at once. It is stricter where YAML
//! 1.1 and YAML 1.2 differ: plain `yes`, `0777`, `1_000`, `1:30`, keys that are not texts, merge
//! keys and tags are refused. So is a repeated key, of which kubectl keeps the last.

mod disk;
mod document;
mod kinds;
mod metadata;
mod mistake;
mod mounted;
mod nearest;
mod node;
mod object;
mod resources;
mod schema;
mod secret;

pub use disk::read_paths;
pub use mistake::{LoadError, Mistake, Place};
pub use nearest::nearest;
pub use resources::{ConfigMap, DEFAULT_NAMESPACE, Namespace, Resources};
pub use secret::{
    ALLOW_LABEL, KEYS_SECRET_TYPE, STORE_SECRET_TYPE, SUBJECT_SECRET_TYPE, Secret, SecretPurpose, SecretValue,
    has_allow_label, may_read,
};

#[cfg(test)]
pub(crate) use node::Trap;

/// Loads the manifests of one text; messages call it `name`. A text whose name ends in `.json` must
/// be JSON.
///
/// # Errors
/// All mistakes in it at once.
pub fn read_text(name: &str, text: &str) -> Result<Resources, LoadError> {
    let mut loader = Loader::default();
    loader.add(name, text);
    loader.finish()
}

/// Number of mistakes after which no other document is read.
const MAX_MISTAKES: usize = 1_000;

/// Collects objects and mistakes from texts.
#[derive(Default)]
struct Loader {
    resources: Resources,
    mistakes: Vec<Mistake>,
}

impl Loader {
    /// Records that a file as a whole can't be used.
    fn fail(&mut self, file: &str, what: impl Into<String>) {
        let place = Place { file: file.to_owned(), document: 0, line: None };
        self.mistakes.push(Mistake { place, path: String::new(), what: what.into(), fix: String::new() });
    }

    /// Returns whether there are so many mistakes that more would not help the user.
    fn full(&self) -> bool {
        self.mistakes.len() >= MAX_MISTAKES
    }

    /// Loads every object of a text.
    fn add(&mut self, file: &str, text: &str) {
        let json = std::path::Path::new(file).extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        for document in document::split(text) {
            if self.full() {
                return;
            }
            let source = object::Source { file, document: &document };
            match document::read(document.text, json) {
                Ok(nodes) => {
                    for node in &nodes {
                        object::add(self, &source, node);
                    }
                }
                Err(error) => {
                    let line = error.line().map_or(document.line, |line| document.line + line - 1);
                    let place = Place { file: file.to_owned(), document: document.number, line: Some(line) };
                    self.mistakes.push(Mistake {
                        place,
                        path: String::new(),
                        what: error.to_string(),
                        fix: String::new(),
                    });
                }
            }
        }
    }

    fn finish(self) -> Result<Resources, LoadError> {
        if self.mistakes.is_empty() { Ok(self.resources) } else { Err(LoadError { mistakes: self.mistakes }) }
    }
}

#[cfg(test)]
mod tests;
