//! A source that stops and goes on.

mod resume;
