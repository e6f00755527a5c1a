//! Code that several fuzz targets use.

pub mod pipeline;
pub mod top_keys;
