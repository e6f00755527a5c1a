//! One JSON value that is neither an object nor an array, while it is cleaned and protected.

use std::borrow::Cow;

/// A JSON scalar. It may be personal: it has no Debug and no Display.
#[derive(Clone, PartialEq)]
pub enum Scalar<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its JSON text: no digit is lost.
    Number(Cow<'a, str>),
    /// A string, without quotes and escapes.
    Text(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    /// Returns the value as the text that a hash, a mask or a table of values is applied to. `42`
    /// and `"42"` are equal here; `null` has no text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Scalar::Null => None,
            Scalar::Bool(true) => Some("true"),
            Scalar::Bool(false) => Some("false"),
            Scalar::Number(text) | Scalar::Text(text) => Some(text),
        }
    }

    /// Returns the same value, borrowed from this one.
    #[must_use]
    pub fn borrowed(&'a self) -> Scalar<'a> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Bool(b) => Scalar::Bool(*b),
            Scalar::Number(text) => Scalar::Number(Cow::Borrowed(text)),
            Scalar::Text(text) => Scalar::Text(Cow::Borrowed(text)),
        }
    }
}
