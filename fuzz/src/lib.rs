//! What the fuzz targets share.

pub mod pipeline;
pub mod top_keys;
