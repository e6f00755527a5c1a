//! JSON text, byte by byte: what is in front of it, finding the end of a string or a number, making and undoing escapes,
//! exact numbers, and a cursor over a document that was checked before.
//!
//! All functions work on text that is known to be UTF-8. They allocate nothing except for a string
//! whose escapes are undone.

mod cursor;
mod decimal;
mod number;
mod payload;
mod text;

pub use cursor::{Cursor, MAX_DEPTH, Mark, Text, Value};
pub use decimal::{Decimal, Significant, Spelling};
pub use number::{Numeric, compare, is_number, number_end};
pub use payload::payload;
pub use text::{escape_into, push_string, string_end, unescape, unescape_into};

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;
