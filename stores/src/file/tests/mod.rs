//! Tests of sources that are stopped and resumed.

mod resume;
