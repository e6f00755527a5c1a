//! Refills the dedupe cache after a restart: records before the committed offset are read for their
//! ids, and not delivered.
//!
//! Ids are remembered by file, so a file is only read again when it has new records, and just before
//! those.

use tokio::sync::mpsc;

use super::{BATCH, FileRange, OpenSource, RunError, RunHandle, message::Message};

/// Sends the last records of a file before an offset to the transform thread, which remembers their
/// ids. There are as many as dedupe remembers.
pub(super) fn refill(
    open: &mut OpenSource,
    range: FileRange<'_>,
    handle: &RunHandle,
    batches: &mpsc::Sender<Message>,
) -> Result<(), RunError> {
    let FileRange::Before { offset: end, records: wanted, .. } = range else { return Ok(()) };
    // Counting them first is cheap. Each record that is sent is processed.
    let mut more = 0_usize;
    for sends in [false, true] {
        let mut skip = more.saturating_sub(wanted);
        let mut source = open(range)?;
        while !handle.is_stopping() {
            let Some(mut batch) = source.next_batch(BATCH)? else { break };
            let is_last = batch.next_offset >= end;
            batch.records.retain(|record| record.offset < end);
            if sends {
                let skipped = skip.min(batch.records.len());
                batch.records.drain(..skipped);
                skip -= skipped;
                if !batch.records.is_empty() && batches.blocking_send(Message::History(batch, 0)).is_err() {
                    return Ok(());
                }
            } else {
                more += batch.records.len();
            }
            if is_last {
                break;
            }
        }
    }
    Ok(())
}
