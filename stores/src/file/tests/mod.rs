//! Tests of sources that are stopped and resumed, and of files that change.

mod grow;
mod resume;
