//! JSON text, byte by byte: finding the end of a string or a number, undoing and making escapes.
//! Everything here works on text that is known to be UTF-8 and allocates nothing by itself.

mod number;
mod text;

pub use number::{Numeric, compare, is_number, number_end};
pub use text::{escape_into, push_string, string_end, unescape, unescape_into};

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;
