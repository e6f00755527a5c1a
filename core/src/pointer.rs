//! A declared path in an event: a JSON Pointer (RFC 6901) in which `*` means every element of
//! an array.

use std::{fmt, str::FromStr};

/// One step of a pointer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// A member of an object.
    Key(String),
    /// Every element of an array: `*`.
    Each,
}

/// A declared path in an event; never the root. It is part of a manifest, so it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pointer {
    /// Its steps; at least one.
    pub segments: Vec<Segment>,
}

/// Why a text is not a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// No slash at the start.
    #[error("a path is a JSON Pointer: it begins with a slash, as in /address/city")]
    NoSlash,
    /// The whole document.
    #[error("a path names a member, not the whole event")]
    Root,
    /// `~` without 0 or 1.
    #[error("in a JSON Pointer, ~ is written ~0 and a slash inside a key ~1")]
    Escape,
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Err(PointerError::Root);
        }
        let rest = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        let segments = rest
            .split('/')
            .map(|segment| match segment {
                "*" => Ok(Segment::Each),
                key => unescape(key).map(Segment::Key),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { segments })
    }
}

fn unescape(segment: &str) -> Result<String, PointerError> {
    let mut parts = segment.split('~');
    let mut key = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err(PointerError::Escape),
        };
        key.push(escaped);
        key.push_str(rest);
    }
    Ok(key)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Key(key) => write!(f, "/{}", key.replace('~', "~0").replace('/', "~1"))?,
                Segment::Each => f.write_str("/*")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_shown_as_it_was_written() {
        for text in ["/a", "/a/b", "/items/*/name", "/a~1b/c~0d", "/", "/a//b"] {
            assert_eq!(text.parse::<Pointer>().map(|p| p.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_text_that_is_not_a_pointer_is_refused() {
        assert_eq!("a/b".parse::<Pointer>(), Err(PointerError::NoSlash));
        assert_eq!("".parse::<Pointer>(), Err(PointerError::Root));
        assert_eq!("/a~2".parse::<Pointer>(), Err(PointerError::Escape));
    }
}
