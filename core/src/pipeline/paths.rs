//! Checks of a single path.

use super::{
    Pointer, Segment,
    mistake::{Notes, code},
};

/// Parses a path. An event is always an object, so a path must be below it.
pub(super) fn path(at: &str, text: &str, notes: &mut Notes) -> Option<Pointer> {
    let pointer: Pointer = match text.parse() {
        Ok(pointer) => pointer,
        Err(error) => {
            notes.refuse(
                code::PATH_INVALID,
                at,
                format!("{text} is no path: {error}"),
                "write it as a JSON Pointer, such as /address/city",
            );
            return None;
        }
    };
    if pointer.segments.first() == Some(&Segment::Each) {
        notes.refuse(
            code::PATH_NEVER_MATCHES,
            at,
            format!("{text} begins with *, which means the elements of an array, and an event is an object"),
            "name the member first, as in /items/*",
        );
        return None;
    }
    Some(pointer)
}

/// Parses a path with at most one value: without `*`.
pub(super) fn single(at: &str, text: &str, what: &str, notes: &mut Notes) -> Option<Pointer> {
    let pointer = path(at, text, notes)?;
    if pointer.segments.contains(&Segment::Each) {
        notes.refuse(
            code::PATH_NEEDS_ONE_VALUE,
            at,
            format!("{text} means every element of an array, and {what} is one value"),
            "name a place that holds a single value",
        );
        return None;
    }
    Some(pointer)
}

impl Pointer {
    /// Returns whether `other` is this path or inside it.
    pub fn covers(&self, other: &Pointer) -> bool {
        other.segments.starts_with(&self.segments)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_covers_itself_and_paths_inside_it_and_not_its_siblings() {
        let covers =
            |outer: &str, inner: &str| outer.parse::<Pointer>().unwrap().covers(&inner.parse::<Pointer>().unwrap());
        assert!(covers("/a", "/a") && covers("/a", "/a/b") && covers("/a/*", "/a/*/b"));
        assert!(!covers("/a", "/ab") && !covers("/a/b", "/a") && !covers("/a/*", "/a/b"));
    }
}
