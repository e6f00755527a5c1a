//! How many pipelines roll at a time. A new version of Lethe changes every Deployment at once: five roll, the others
//! wait until the new workers of one are ready, so that a bad version is seen before it is everywhere. One that
//! Kubernetes has given up on, after ten minutes, holds nobody up any longer.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Pipelines that roll at a time after an upgrade.
pub const AT_ONCE: usize = 5;

/// Those that roll now, as `namespace/name`.
#[derive(Debug, Default)]
pub struct Pace(Mutex<BTreeSet<String>>);

impl Pace {
    /// Whether this one may roll; it counts from then on.
    pub fn may_roll(&self, pipeline: &str) -> bool {
        let mut rolling = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rolling.contains(pipeline) {
            return true;
        }
        let free = rolling.len() < AT_ONCE;
        if free {
            rolling.insert(pipeline.to_owned());
        }
        free
    }

    /// Notes whether this one is seen to roll, for whatever reason.
    pub fn note(&self, pipeline: &str, rolls: bool) {
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
    fn five_roll_and_the_sixth_waits_for_one_to_end() {
        let pace = Pace::default();
        for number in 0..AT_ONCE {
            assert!(pace.may_roll(&format!("shop/{number}")));
        }
        assert!(!pace.may_roll("shop/another"));
        assert!(pace.may_roll("shop/0"), "one that rolls goes on");
        pace.note("shop/0", false);
        assert!(pace.may_roll("shop/another"));
    }
}
