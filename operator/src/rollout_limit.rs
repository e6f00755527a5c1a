//! Limits how many pipelines roll out at a time. An upgrade of Lethe changes every Deployment at
//! once: five roll out, the others wait until the new workers of one are ready, so that a bad
//! version shows before it is everywhere. A roll-out that Kubernetes has given up on (after ten
//! minutes) no longer counts.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Pipelines that roll out at a time after an upgrade.
pub const MAX_ROLLOUTS: usize = 5;

/// The pipelines that roll out now, as `namespace/name`.
#[derive(Debug, Default)]
pub struct RolloutLimit(Mutex<BTreeSet<String>>);

impl RolloutLimit {
    /// Returns whether the pipeline may roll out. If so, it counts as rolling out from now on.
    pub fn try_start(&self, pipeline: &str) -> bool {
        let mut rolling = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rolling.contains(pipeline) {
            return true;
        }
        let free = rolling.len() < MAX_ROLLOUTS;
        if free {
            rolling.insert(pipeline.to_owned());
        }
        free
    }

    /// Records whether the pipeline rolls out, whatever the cause.
    pub fn record(&self, pipeline: &str, rolls: bool) {
        let mut rolling = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rolls {
            rolling.insert(pipeline.to_owned());
        } else {
            rolling.remove(pipeline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_roll_out_and_the_sixth_waits_for_one_to_end() {
        let limit = RolloutLimit::default();
        for number in 0..MAX_ROLLOUTS {
            assert!(limit.try_start(&format!("shop/{number}")));
        }
        assert!(!limit.try_start("shop/another"));
        assert!(limit.try_start("shop/0"), "one that has started continues");
        limit.record("shop/0", false);
        assert!(limit.try_start("shop/another"));
    }
}
