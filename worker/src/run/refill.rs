//! Refills the dedupe cache after a restart: records before the committed offset are read for their
//! ids, and not delivered.

use lethe_stores::Progress;
use tokio::sync::mpsc;

use super::{BATCH, OpenSource, RunError, RunHandle, message::Message};

/// Sends every record before the committed offsets to the transform thread, which remembers its id.
pub(super) fn refill(
    open: &mut OpenSource,
    progress: &Progress,
    handle: &RunHandle,
    batches: &mpsc::Sender<Message>,
) -> Result<(), RunError> {
    if progress.offsets.values().all(|offset| *offset == 0) {
        return Ok(());
    }
    let mut open_streams: Vec<&str> =
        progress.offsets.iter().filter(|(_, offset)| **offset > 0).map(|(stream, _)| stream.as_str()).collect();
    let mut source = open(&Progress::default())?;
    while !open_streams.is_empty() && !handle.is_stopping() {
        let Some(mut batch) = source.next_batch(BATCH)? else { break };
        let committed = progress.offsets.get(&*batch.stream).copied().unwrap_or(0);
        if batch.next_offset >= committed {
            open_streams.retain(|stream| **stream != *batch.stream);
        }
        batch.records.retain(|record| record.offset < committed);
        if !batch.records.is_empty() && batches.blocking_send(Message::History(batch)).is_err() {
            break;
        }
    }
    Ok(())
}
