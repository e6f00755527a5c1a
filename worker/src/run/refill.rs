//! Fills the dedupe cache again after a restart: ids of records before the committed offset are
//! read, not delivered.

use lethe_stores::bookkeeping::Progress;
use tokio::sync::mpsc;

use super::{BATCH, OpenSource, RunError, Watch, part::Feed};

/// Gives every record before the committed offsets to the transform thread, to remember its id.
pub(super) fn refill(
    open: &mut OpenSource,
    progress: &Progress,
    watch: &Watch,
    batches: &mpsc::Sender<Feed>,
) -> Result<(), RunError> {
    if progress.offsets.values().all(|offset| *offset == 0) {
        return Ok(());
    }
    let mut open_streams: Vec<&str> =
        progress.offsets.iter().filter(|(_, offset)| **offset > 0).map(|(stream, _)| stream.as_str()).collect();
    let mut source = open(&Progress::default())?;
    while !open_streams.is_empty() && !watch.stops() {
        let Some(mut batch) = source.next_batch(BATCH)? else { break };
        let committed = progress.offsets.get(&*batch.stream).copied().unwrap_or(0);
        if batch.next_offset >= committed {
            open_streams.retain(|stream| **stream != *batch.stream);
        }
        batch.records.retain(|record| record.offset < committed);
        if !batch.records.is_empty() && batches.blocking_send(Feed::Known(batch)).is_err() {
            break;
        }
    }
    Ok(())
}
