//! Fixtures of this module's tests.

pub(super) mod fixtures;
