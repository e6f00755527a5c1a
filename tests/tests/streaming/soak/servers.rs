//! Servers that are stopped or killed, and started again.

use std::{
    thread,
    time::{Duration, Instant},
};

use lethe_tests::engines::PrivateEngine;

use crate::{
    pipeline_fixture::PipelineFixture,
    soak::{scale, soak_run::SoakRun, soak_servers::SoakServers},
};

#[test]
fn workers_wait_for_a_broker_that_restarts_under_load() {
    let servers = SoakServers::to_restart("kafka", 1);
    let fixture = PipelineFixture::on_servers(servers.engines());
    let (rate, events, rounds) = scale((300, 2_000, 1), (500, 50_000, 6));
    let mut run = SoakRun::start(&fixture, rate, events);
    let kafka = servers.kafka.as_ref().unwrap();
    for round in 0..rounds {
        kafka.down(stop_arguments(round));
        kafka.up();
        run.recover();
    }
    run.finish("broker restart", &format!("1 broker stopped or killed and started {rounds} times"));
}

#[test]
fn workers_go_on_while_one_of_three_brokers_is_down() {
    let servers = SoakServers::to_restart("kafka", 3);
    let fixture = PipelineFixture::on_servers(servers.engines());
    // On two cores, stores beside three brokers can write 500 events a second and no more.
    let (rate, events, rounds) = scale((200, 2_000, 1), (250, 50_000, 6));
    let mut run = SoakRun::start(&fixture, rate, events);
    let kafka = servers.kafka.as_ref().unwrap();
    for round in 0..rounds {
        kafka.down(&[&format!("{}", round % 3 + 1), "--kill"]);
        // Two of three are enough: events are delivered before the third is back.
        let without = run.recover();
        assert!(!without.is_zero());
        kafka.up();
        run.recover();
    }
    run.finish("broker loss", &format!("{rounds} times one of 3 brokers killed, in turn, and started again"));
}

#[test]
fn a_mongodb_restart_stalls_its_sink_alone() {
    let servers = SoakServers::to_restart("mongo", 1);
    stops_and_starts("mongodb restart", &servers, servers.mongo.as_ref().unwrap(), 500, &["documents"]);
}

#[test]
fn a_cassandra_restart_stalls_its_sinks_and_keys_alone() {
    let servers = SoakServers::to_restart("cassandra", 1);
    stops_and_starts(
        "cassandra restart",
        &servers,
        servers.cassandra.as_ref().unwrap(),
        // It responds when its log is on the disk, 900 times a second here. The backlog of the
        // restart is delivered beside new events.
        250,
        &["profiles", "history", "keyStore"],
    );
}

fn stops_and_starts(
    name: &str,
    servers: &SoakServers,
    server: &PrivateEngine,
    long_rate: u64,
    stalled: &[&'static str],
) {
    let fixture = PipelineFixture::on_servers(servers.engines());
    let (rate, events, rounds) = scale((300, 2_000, 1), (long_rate, 50_000, 5));
    let mut run = SoakRun::start(&fixture, rate, events);
    let (rebalances, others) = (run.rebalances(), ["profiles", "history", "documents", "clean"]);
    let mut down = Duration::ZERO;
    for round in 0..rounds {
        let started = Instant::now();
        server.down(stop_arguments(round));
        let before = run.sent();
        for worker in run.workers() {
            let (store, since) = worker.wait_until_stalled(stalled);
            assert!(since <= started.elapsed().as_millis() as i64, "it waits for {store} for {since} ms");
        }
        // In a soak longer than a session of the group.
        thread::sleep(scale(Duration::from_secs(1), Duration::from_secs(12)));
        for worker in run.workers() {
            for other in others.iter().filter(|other| !stalled.contains(other)) {
                assert_eq!(worker.stalled_since(other), None, "{other} is available");
            }
        }
        assert!(run.sent() > before, "the load goes on");
        server.up();
        down += started.elapsed();
        run.recover();
        for worker in run.workers() {
            for sink in others {
                assert_eq!(worker.stalled_since(sink), None, "{sink} is available again");
            }
        }
    }
    assert_eq!(run.rebalances(), rebalances, "no rebalance");
    run.finish(
        name,
        &format!("stopped or killed and started {rounds} times, {:.0} s in all, 0 rebalances", down.as_secs_f64()),
    );
}

/// Returns the arguments of a stop: every other one is a crash.
fn stop_arguments(round: usize) -> &'static [&'static str] {
    if round.is_multiple_of(2) { &["--kill"] } else { &[] }
}
