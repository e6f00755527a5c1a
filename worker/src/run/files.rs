//! The thread that reads files.

use std::{sync::Arc, time::Duration};

use lethe_stores::Progress;
use tokio::sync::mpsc;

use super::{
    BATCH, OpenSource, RunError, RunHandle,
    message::{CommitTarget, Message, SourceBatch},
    refill,
};

/// Files don't notify their readers of new lines, so they are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Reads files from the committed offsets.
pub(super) struct FileReader {
    pub(super) open: OpenSource,
    pub(super) progress: Progress,
    pub(super) dedupes: bool,
    pub(super) follow: bool,
    pub(super) handle: Arc<RunHandle>,
}

impl FileReader {
    pub(super) fn read(&mut self, batches: &mpsc::Sender<Message>) -> Result<(), RunError> {
        if self.dedupes {
            refill::refill(&mut self.open, &self.progress, &self.handle, batches)?;
        }
        loop {
            let mut source = (self.open)(&self.progress)?;
            let total = source.total_bytes().unwrap_or(0);
            while !self.handle.is_stopping() {
                let Some(batch) = source.next_batch(BATCH)? else { break };
                self.handle.instruments.run_state.set_file_progress(source.bytes_read(), total);
                self.progress.offsets.insert(batch.stream.to_string(), batch.next_offset);
                let batch = SourceBatch { batch, commit_to: CommitTarget::Vault };
                if batches.blocking_send(Message::Batches(vec![batch])).is_err() {
                    return Ok(());
                }
            }
            if !self.follow || self.handle.is_stopping() {
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}
