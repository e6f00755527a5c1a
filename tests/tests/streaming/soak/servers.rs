//! Servers that stop, or are killed, and come back.

use std::{
    thread,
    time::{Duration, Instant},
};

use lethe_tests::engines::Own;

use crate::{
    soak::{house::House, scale, trial::Trial},
    stage::Stage,
};

#[test]
fn a_broker_that_restarts_under_load_is_waited_for() {
    let house = House::with(&["kafka"], 1);
    let stage = Stage::at(house.engines());
    let (rate, events, rounds) = scale((300, 2_000, 1), (500, 50_000, 6));
    let mut trial = Trial::begin(&stage, rate, events);
    let kafka = house.kafka.as_ref().unwrap();
    for round in 0..rounds {
        kafka.down(how(round));
        kafka.up();
        trial.recovers();
    }
    trial.end("broker restart", &format!("1 broker stopped or killed and started {rounds} times"));
}

#[test]
fn a_cluster_that_loses_one_broker_at_a_time_goes_on() {
    let house = House::with(&["kafka"], 3);
    let stage = Stage::at(house.engines());
    // Of two cores three brokers leave so much to the stores that 500 events a second would be all that they can write.
    let (rate, events, rounds) = scale((200, 2_000, 1), (250, 50_000, 6));
    let mut trial = Trial::begin(&stage, rate, events);
    let kafka = house.kafka.as_ref().unwrap();
    for round in 0..rounds {
        kafka.down(&[&format!("{}", round % 3 + 1), "--kill"]);
        // Two of three are enough: what comes meanwhile is delivered before it returns.
        let without = trial.recovers();
        assert!(!without.is_zero());
        kafka.up();
        trial.recovers();
    }
    trial.end("broker loss", &format!("{rounds} times one of 3 brokers killed, in turn, and started again"));
}

#[test]
fn a_mongodb_that_stops_and_starts_stalls_its_partitions_and_no_more() {
    let house = House::with(&["mongo"], 1);
    stops_and_starts("mongodb restart", &house, house.mongo.as_ref().unwrap(), 500, &["documents"]);
}

#[test]
fn a_cassandra_that_stops_and_starts_stalls_its_partitions_and_no_more() {
    let house = House::with(&["cassandra"], 1);
    stops_and_starts(
        "cassandra restart",
        &house,
        house.cassandra.as_ref().unwrap(),
        // It answers when its log is on the disk, and takes 900 a second here: what came while it was away is caught up on
        // beside what comes.
        250,
        &["profiles", "history", "keyStore"],
    );
}

fn stops_and_starts(name: &str, house: &House, server: &Own, long_rate: u64, stalled: &[&'static str]) {
    let stage = Stage::at(house.engines());
    let (rate, events, rounds) = scale((300, 2_000, 1), (long_rate, 50_000, 5));
    let mut trial = Trial::begin(&stage, rate, events);
    let (rebalances, others) = (trial.rebalances(), ["profiles", "history", "documents", "clean"]);
    let mut down = Duration::ZERO;
    for round in 0..rounds {
        let started = Instant::now();
        server.down(how(round));
        let before = trial.sent();
        for worker in trial.workers() {
            let (store, since) = worker.waits_for(stalled);
            assert!(since <= started.elapsed().as_millis() as i64, "it waits for {store} for {since} ms");
        }
        // Longer than a session of the group, where there is time for it.
        thread::sleep(scale(Duration::from_secs(1), Duration::from_secs(12)));
        for worker in trial.workers() {
            for other in others.iter().filter(|other| !stalled.contains(other)) {
                assert_eq!(worker.stalled_since(other), None, "{other} is there");
            }
        }
        assert!(trial.sent() > before, "events go on coming");
        server.up();
        down += started.elapsed();
        trial.recovers();
        for worker in trial.workers() {
            for sink in others {
                assert_eq!(worker.stalled_since(sink), None, "{sink} is back");
            }
        }
    }
    assert_eq!(trial.rebalances(), rebalances, "nobody was taken for dead");
    trial.end(
        name,
        &format!("stopped or killed and started {rounds} times, {:.0} s in all, 0 rebalances", down.as_secs_f64()),
    );
}

/// Every other time as a crash.
fn how(round: usize) -> &'static [&'static str] {
    if round.is_multiple_of(2) { &["--kill"] } else { &[] }
}
