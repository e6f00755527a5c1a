//! Keys: the ring a Secret holds, and each subject's own keys, wrapped by the master.

mod wrapped;

pub use wrapped::WrappedKey;
