//! Tests of the CustomResourceDefinitions as a whole.

mod rules;
mod yaml;
