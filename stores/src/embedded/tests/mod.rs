//! What a table must keep to, whatever is written to it.

mod laws;
