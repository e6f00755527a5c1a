//! The thread that reads files.

use std::{sync::Arc, time::Duration};

use lethe_stores::bookkeeping::Progress;
use tokio::sync::mpsc;

use super::{
    BATCH, OpenSource, RunError, Watch,
    part::{Feed, Part, Receipt},
    refill,
};

/// A file tells nobody that it grew: it is looked at again, a few times a second.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Reads files from where they were committed.
pub(super) struct Reader {
    pub(super) open: OpenSource,
    pub(super) progress: Progress,
    pub(super) dedupes: bool,
    pub(super) follow: bool,
    pub(super) watch: Arc<Watch>,
}

impl Reader {
    pub(super) fn read(&mut self, batches: &mpsc::Sender<Feed>) -> Result<(), RunError> {
        if self.dedupes {
            refill::refill(&mut self.open, &self.progress, &self.watch, batches)?;
        }
        loop {
            let mut source = (self.open)(&self.progress)?;
            let total = source.total_bytes().unwrap_or(0);
            while !self.watch.stops() {
                let Some(batch) = source.next_batch(BATCH)? else { break };
                self.watch.shown.board.file(source.bytes_read(), total);
                self.progress.offsets.insert(batch.stream.to_string(), batch.next_offset);
                let part = Part { batch, receipt: Receipt::Books };
                if batches.blocking_send(Feed::New(vec![part])).is_err() {
                    return Ok(());
                }
            }
            if !self.follow || self.watch.stops() {
                return Ok(());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
