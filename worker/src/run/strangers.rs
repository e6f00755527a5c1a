//! Who else is in the consumer group. Two clusters with a pipeline of one name and one Kafka share a group without
//! knowing it: each then gets a part of the events. Nobody but the group can tell.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_stores::kafka::strangers;

use super::{TopicOrigin, Watch};

/// How often the group is looked at, and how soon after the start.
const EVERY: Duration = Duration::from_secs(60);
const FIRST: Duration = Duration::from_secs(5);
/// How soon the end of the run is noticed.
const STEP: Duration = Duration::from_millis(200);

/// Looks from time to time, on a thread of its own, as long as the run lasts. A run that works for nobody in
/// particular doesn't.
pub(super) fn look(origin: &TopicOrigin, watch: &Arc<Watch>) {
    if origin.options.identity.is_none() {
        return;
    }
    let (origin, watch) = (origin.clone(), Arc::clone(watch));
    let looking = move || {
        let mut next = Instant::now() + FIRST;
        while !watch.stops() {
            std::thread::sleep(STEP);
            if Instant::now() < next {
                continue;
            }
            match strangers(&origin.connection, &origin.options) {
                Ok(strangers) => {
                    if watch.shown.board.strangers(strangers) && strangers > 0 {
                        tracing::warn!(
                            group = origin.options.group,
                            strangers,
                            "others read in the consumer group of this pipeline: their events are not seen here"
                        );
                    }
                }
                Err(error) => tracing::debug!(%error, "the group could not be looked at"),
            }
            next = Instant::now() + EVERY;
        }
    };
    if let Err(error) = std::thread::Builder::new().name("strangers".to_owned()).spawn(looking) {
        tracing::debug!(%error, "no thread to look at the group");
    }
}
