//! Workers that come and go.

use std::{thread, time::Duration};

use crate::{
    soak::{house::House, scale, trial::Trial},
    stage::Stage,
};

#[test]
fn workers_that_are_replaced_one_by_one_lose_and_double_nothing() {
    let house = House::with(&[], 1);
    let stage = Stage::at(house.engines());
    let (rate, events, rounds) = scale((300, 3_000, 2), (500, 60_000, 25));
    let mut trial = Trial::begin(&stage, rate, events);
    for _ in 0..rounds {
        trial.retire();
        trial.recovers();
        trial.hire();
        trial.flows();
    }
    trial.end("rolling stop", &format!("{rounds} of 2 workers replaced"));
}

#[test]
fn a_worker_that_joins_and_leaves_all_the_time_costs_nothing_but_time() {
    let house = House::with(&[], 1);
    let stage = Stage::at(house.engines());
    let (rate, events, rounds) = scale((300, 3_000, 2), (500, 50_000, 20));
    let mut trial = Trial::begin(&stage, rate, events);
    for _ in 0..rounds {
        trial.hire();
        thread::sleep(Duration::from_secs(2));
        trial.dismiss();
        thread::sleep(Duration::from_secs(2));
    }
    trial.recovers();
    let rebalances = trial.rebalances();
    trial.end("rebalance storm", &format!("a third worker joined and left {rounds} times, {rebalances} rebalances"));
}
