//! Connections that fail between workers and healthy servers.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use crate::{
    pipeline_fixture::PipelineFixture,
    proxy::{Fault, Proxy},
    soak::{
        scale,
        soak_run::SoakRun,
        soak_servers::{Proxies, SoakServers},
    },
    topics::eventually,
};

/// The faults of a connection.
const FAULTS: [(&str, Fault); 5] = [
    ("refused", Fault::Refuse),
    ("delayed", Fault::Delay(Duration::from_millis(300))),
    ("reset", Fault::Reset),
    ("half-open", Fault::HalfOpen),
    ("responses lost", Fault::LoseResponse),
];
/// A fault that has hit no connection within this time after its end never does.
const HITS_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn faults_of_connections_cost_time_alone() {
    let servers = SoakServers::behind_proxies();
    let fixture = PipelineFixture::on_servers(servers.engines());
    let proxies = servers.proxied(&fixture);
    let Proxies { kafka, cassandra, mongo } = &proxies;
    let (rate, events, rounds) = scale((300, 3_000, 1), (500, 80_000, 2));
    let lasts = scale(Duration::from_secs(1), Duration::from_secs(6));
    let mut run = SoakRun::start(&fixture, rate, events);
    let mut worst = Vec::new();
    for _ in 0..rounds {
        for (name, proxy) in [("kafka", kafka), ("cassandra", cassandra), ("mongodb", mongo)] {
            for (how, fault) in FAULTS {
                strike(proxy, fault, lasts);
                let took = run.recover();
                worst.push((took, format!("{name} {how}")));
                println!("  {name}, {how}: recovery {:.1} s", took.as_secs_f64());
            }
        }
    }
    let (took, which) = worst.iter().max().unwrap();
    let what = format!("{} faults of connections, the worst {which} ({:.1} s)", worst.len(), took.as_secs_f64());
    run.finish("network", &what);
}

/// Sets a fault, and ends it when it has hit a connection and has lasted long enough.
fn strike(proxy: &Proxy, fault: Fault, lasts: Duration) {
    let before = proxy.seen.hit.load(Ordering::Relaxed);
    let hits = || proxy.seen.hit.load(Ordering::Relaxed) - before;
    let begun = Instant::now();
    // A delay hits no connection, and a worker may send nothing for a moment.
    let has_hit = || hits() > 0 || matches!(fault, Fault::Delay(_));
    proxy.set(fault);
    while begun.elapsed() < lasts || !has_hit() && begun.elapsed() < lasts + HITS_WITHIN {
        thread::sleep(Duration::from_millis(200));
        if fault == Fault::LoseResponse {
            // Lets clients reconnect, to lose another response.
            proxy.set(Fault::None);
            thread::sleep(Duration::from_millis(500));
            proxy.set(fault);
        }
    }
    proxy.set(Fault::None);
    assert!(has_hit(), "{fault:?} has hit no connection");
}

#[test]
fn a_sink_at_a_twentieth_of_its_speed_slows_the_pipeline_and_causes_no_rebalance() {
    let servers = SoakServers::behind_proxies();
    let fixture = PipelineFixture::on_servers(servers.engines());
    let proxies = servers.proxied(&fixture);
    let (events, measured, slow) = scale((4_000, 1, 3), (60_000, 15, 90));
    let run = SoakRun::backlog(&fixture, events);
    let speed = |seconds| {
        let before = proxies.mongo.seen.up.load(Ordering::Relaxed);
        thread::sleep(Duration::from_secs(seconds));
        (proxies.mongo.seen.up.load(Ordering::Relaxed) - before) / seconds
    };
    eventually("events flow", || speed(1) > 0);
    let full = speed(measured);
    let rebalances = run.rebalances();
    proxies.mongo.set(Fault::Throttle((full / 20).max(1)));
    let slowed = speed(slow);
    assert!(slowed <= full / 10, "{slowed} bytes a second, and {full} before");
    assert_eq!(run.rebalances(), rebalances, "no rebalance");
    proxies.mongo.set(Fault::None);
    let what = format!("mongodb given {slowed} bytes a second instead of {full} for {slow} s, 0 rebalances");
    run.finish("slow sink", &what);
}
