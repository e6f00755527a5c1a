//! The one loader: text -> documents -> checked objects.
//!
//! A laptop run, `lint` and the operator's tests read manifests through here, and it gives the
//! verdict of a real API server: the same files accepted, the same refused, with all mistakes at
//! once. It is stricter on purpose in a few points, each of which a reader of YAML 1.1 and one of YAML
//! 1.2 would understand differently: plain `yes`, `0777`, `1_000`, `1:30`, keys that are no text,
//! merge keys and tags. Twice the same key is refused, too, where kubectl keeps the last.

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
pub use resources::{ConfigMap, DEFAULT_NAMESPACE, Namespace, Resources};
pub use secret::{Secret, SecretValue};

#[cfg(test)]
pub(crate) use node::Trap;

/// Loads the manifests of one text; `name` is what messages call it. A text whose name ends in
/// `.json` must be JSON.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn read_text(name: &str, text: &str) -> Result<Resources, LoadError> {
    let mut loader = Loader::default();
    loader.add(name, text);
    loader.finish()
}

/// Mistakes after which no other document is read.
const MISTAKES: usize = 1_000;

/// Gathers objects and mistakes from texts.
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

    /// Whether so many mistakes were found that more help nobody.
    fn full(&self) -> bool {
        self.mistakes.len() >= MISTAKES
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
