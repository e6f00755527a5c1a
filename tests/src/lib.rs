//! Lethe's promises, kept by real runs: see `tests/promises/`, one file per promise.
