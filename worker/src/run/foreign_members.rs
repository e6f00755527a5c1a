//! Looks for members of the consumer group that belong to another pipeline. Two clusters that have
//! a pipeline of the same name and use the same Kafka share a group, and each gets only a part of
//! the events. Only the group's member list shows this.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_stores::kafka::strangers;

use super::{RunHandle, TopicSource};

/// How often the group is described, and how soon after the start.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
const FIRST_CHECK: Duration = Duration::from_secs(5);
/// How often the thread checks whether the run ends.
const STOP_POLL: Duration = Duration::from_millis(200);

/// Starts a thread that describes the group periodically until the run ends. Does nothing if the
/// run has no identity to compare with.
pub(super) fn spawn_check(source: &TopicSource, handle: &Arc<RunHandle>) {
    if source.options.identity.is_none() {
        return;
    }
    let (source, handle) = (source.clone(), Arc::clone(handle));
    let check = move || {
        let mut next = Instant::now() + FIRST_CHECK;
        while !handle.is_stopping() {
            std::thread::sleep(STOP_POLL);
            if Instant::now() < next {
                continue;
            }
            match strangers(&source.connection, &source.options) {
                Ok(foreign_members) => {
                    if handle.instruments.run_state.set_foreign_members(foreign_members) && foreign_members > 0 {
                        tracing::warn!(
                            group = source.options.group,
                            foreign_members,
                            "other pipelines read in this consumer group: the events of their partitions are missing here"
                        );
                    }
                }
                Err(error) => tracing::debug!(%error, "failed to describe the consumer group"),
            }
            next = Instant::now() + CHECK_INTERVAL;
        }
    };
    if let Err(error) = std::thread::Builder::new().name("foreign-members".to_owned()).spawn(check) {
        tracing::debug!(%error, "failed to start the thread that checks the consumer group");
    }
}
