//! What a pipeline and those who look at it share while it runs: the wish to stop, and instruments.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::observe::{About, Instruments, Phase};

/// What a pipeline and those who look at it share while it runs.
#[derive(Debug)]
pub struct Watch {
    stop: AtomicBool,
    /// Events delivered so far.
    pub events: AtomicU64,
    /// What it shows of itself.
    pub shown: Arc<Instruments>,
}

impl Watch {
    /// For a pipeline that starts now.
    pub fn new(about: About) -> Arc<Self> {
        Arc::new(Self { stop: AtomicBool::new(false), events: AtomicU64::new(0), shown: Instruments::new(about) })
    }

    /// The pipeline stops when what is under way is delivered.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.shown.board.phase(Phase::Draining);
    }

    /// Whether it was told to stop.
    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
