//! placeholder

pub mod generate;
