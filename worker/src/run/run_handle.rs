//! The handle of a running pipeline: stops it, and exposes its instruments.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::observe::{Instruments, Phase, PipelineInfo};

/// Shared by a running pipeline and its observers.
#[derive(Debug)]
pub struct RunHandle {
    stop: AtomicBool,
    /// Events delivered so far.
    pub events: AtomicU64,
    /// Metrics and state of the pipeline.
    pub instruments: Arc<Instruments>,
    replaced: Mutex<BTreeSet<String>>,
}

impl RunHandle {
    /// Returns the handle of a pipeline that starts now.
    pub fn new(info: PipelineInfo) -> Arc<Self> {
        Arc::new(Self {
            stop: AtomicBool::new(false),
            events: AtomicU64::new(0),
            instruments: Instruments::new(info),
            replaced: Mutex::default(),
        })
    }

    /// Asks the pipeline to stop once its batches in flight are delivered.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.instruments.run_state.set_phase(Phase::Draining);
    }

    /// Remembers files that are other ones than before.
    pub(super) fn files_replaced(&self, names: Vec<String>) {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// Returns the files that are other ones than before.
    pub(super) fn replaced_files(&self) -> BTreeSet<String> {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether the pipeline was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
