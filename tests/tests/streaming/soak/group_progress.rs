//! How far a group has committed.

use std::time::{Duration, Instant};

use rdkafka::{ClientConfig, consumer::BaseConsumer};

use crate::{
    pipeline_fixture::PipelineFixture,
    topics::{Offsets, committed},
};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two requests to the brokers.
pub const POLL: Duration = Duration::from_millis(50);

/// Offsets of a source and of its group. Requests that fail are repeated.
pub struct GroupProgress {
    client: BaseConsumer,
    topic: String,
}

impl GroupProgress {
    /// Returns the progress of a fixture's group.
    pub fn of(fixture: &PipelineFixture) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", fixture.kafka()).set("group.id", fixture.group());
        config.set("reconnect.backoff.max.ms", "500");
        Self { client: config.create().unwrap(), topic: fixture.source() }
    }

    /// Waits until the group has committed everything that the topic holds now, with at least one
    /// event in each partition. Returns how long that took, or an error after `bound`. Calls
    /// `check` between requests.
    pub fn caught_up(&self, bound: Duration, mut check: impl FnMut()) -> Result<Duration, String> {
        let started = Instant::now();
        let mut goal: Option<Offsets> = None;
        loop {
            check();
            let now = committed(&self.topic, &self.client, REQUEST_TIMEOUT);
            if let Ok(now) = &now
                && now.values().all(|(_, end)| *end > 0)
            {
                let goal = goal.get_or_insert_with(|| now.clone());
                if goal.iter().all(|(partition, (_, end))| now.get(partition).is_some_and(|(at, _)| at >= end)) {
                    return Ok(started.elapsed());
                }
            }
            if started.elapsed() > bound {
                return Err(format!("the group has not caught up in {bound:?} with {goal:?}: {now:?}"));
            }
            std::thread::sleep(POLL);
        }
    }
}
