//! How far a group has come, as the brokers know it.

use std::time::{Duration, Instant};

use rdkafka::{ClientConfig, consumer::BaseConsumer};

use crate::{
    stage::Stage,
    topics::{Offsets, committed},
};

const ASKING: Duration = Duration::from_secs(2);
/// How often a group is looked at: its brokers have other things to do.
pub const LOOKS: Duration = Duration::from_millis(50);

/// Offsets of the source and of its group; a broker that doesn't answer is asked again.
pub struct Gauge {
    client: BaseConsumer,
    topic: String,
}

impl Gauge {
    /// Of a stage's source.
    pub fn of(stage: &Stage) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", stage.kafka()).set("group.id", stage.group());
        config.set("reconnect.backoff.max.ms", "500");
        Self { client: config.create().unwrap(), topic: stage.source() }
    }

    /// Waits until the group has committed what lies in the topic now, and something in each partition; answers
    /// how long that took, or how far it came within `bound`. `turn` is called meanwhile.
    pub fn caught_up(&self, bound: Duration, mut turn: impl FnMut()) -> Result<Duration, String> {
        let started = Instant::now();
        let mut goal: Option<Offsets> = None;
        loop {
            turn();
            let now = committed(&self.topic, &self.client, ASKING);
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
            std::thread::sleep(LOOKS);
        }
    }
}
