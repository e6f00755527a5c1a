//! The thread that reads files.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lethe_stores::{FilePosition, file::FileEnd};
use tokio::sync::mpsc;

use super::{
    BATCH, FileRange, OpenSource, RunError, RunHandle,
    letters::LetterIndex,
    message::{CommitTarget, Message, SourceBatch},
    refill,
};

/// Files don't notify their readers of new lines, so they are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Reads files from the committed offsets.
pub(super) struct FileReader {
    pub(super) open: OpenSource,
    /// Positions of files that an earlier run read, and this one did not read from yet.
    pub(super) resumed: BTreeMap<String, FilePosition>,
    /// Ids that dedupe remembers, at most. `None` without dedupe.
    pub(super) dedupe_ids: Option<usize>,
    /// The letters of records that were not delivered, until they are read for dedupe.
    pub(super) letters: Option<LetterIndex>,
    pub(super) end: FileEnd,
    pub(super) handle: Arc<RunHandle>,
}

impl FileReader {
    pub(super) fn read(&mut self, batches: &mpsc::Sender<Message>) -> Result<(), RunError> {
        let mut source = (self.open)(FileRange::After { positions: &self.resumed, end: self.end })?;
        loop {
            while !self.handle.is_stopping() {
                let batch = source.next_batch(BATCH)?;
                let replaced = source.take_replaced();
                self.resumed.retain(|name, _| !replaced.contains(name));
                self.handle.files_replaced(replaced);
                let Some(batch) = batch else { break };
                let total = source.total_bytes().unwrap_or(0);
                self.handle.instruments.run_state.set_file_progress(source.bytes_read(), total);
                if self.dedupe_ids.is_some() && self.resumed.contains_key(&*batch.stream) {
                    self.leave_out_undelivered(batches);
                }
                if let Some(position) = self.resumed.remove(&*batch.stream)
                    && let Some(records) = self.dedupe_ids
                    && let Some(first) = batch.records.first()
                {
                    // A line that grew since an earlier run took it is not known as a whole.
                    let offset = position.offset.min(first.offset);
                    let range = FileRange::Before { name: &batch.stream, offset, records };
                    refill::refill(&mut self.open, range, &self.handle, batches)?;
                }
                let commit_to = source.position().map_or(CommitTarget::Nowhere, CommitTarget::Vault);
                let batch = SourceBatch { batch, commit_to };
                if batches.blocking_send(Message::Batches(vec![batch])).is_err() {
                    return Ok(());
                }
            }
            if self.end == FileEnd::Final || self.handle.is_stopping() {
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Tells the transform thread which records of earlier runs were not delivered, before the first
    /// file is read for its ids.
    fn leave_out_undelivered(&mut self, batches: &mpsc::Sender<Message>) {
        let Some(letters) = self.letters.take() else { return };
        let resumed = &self.resumed;
        let was_read = |stream: &str, offset| resumed.get(stream).is_some_and(|position| offset < position.offset);
        // If the channel is closed, the next message is not sent either.
        let _closed = batches.blocking_send(Message::Undelivered(letters.undelivered(was_read, &self.handle)));
    }
}
