//! Connections that fail, between workers and servers that are well.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use crate::{
    proxy::{Fault, Proxy},
    soak::{
        house::{House, Proxies},
        scale,
        trial::Trial,
    },
    stage::Stage,
    topics::eventually,
};

/// What happens to a connection, and for how long.
const FAULTS: [(&str, Fault); 5] = [
    ("refused", Fault::Refuse),
    ("delayed", Fault::Delay(Duration::from_millis(300))),
    ("reset", Fault::Reset),
    ("half-open", Fault::HalfOpen),
    ("answers lost", Fault::LoseAnswer),
];
/// A fault that has hit nothing by then hits nothing.
const HITS_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn connections_that_fail_in_every_way_cost_nothing_but_time() {
    let house = House::with(&["kafka", "cassandra", "mongo"], 1);
    let stage = Stage::at(house.engines());
    let proxies = house.proxied(&stage);
    let Proxies { kafka, cassandra, mongo } = &proxies;
    let (rate, events, rounds) = scale((300, 3_000, 1), (500, 80_000, 2));
    let lasts = scale(Duration::from_secs(1), Duration::from_secs(6));
    let mut trial = Trial::begin(&stage, rate, events);
    let mut worst = Vec::new();
    for _ in 0..rounds {
        for (name, proxy) in [("kafka", kafka), ("cassandra", cassandra), ("mongodb", mongo)] {
            for (how, fault) in FAULTS {
                strike(proxy, fault, lasts);
                let took = trial.recovers();
                worst.push((took, format!("{name} {how}")));
                println!("  {name}, {how}: recovery {:.1} s", took.as_secs_f64());
            }
        }
    }
    let (took, which) = worst.iter().max().unwrap();
    let what = format!("{} faults of connections, the worst {which} ({:.1} s)", worst.len(), took.as_secs_f64());
    trial.end("network", &what);
}

/// A fault that passes again, after it has hit something.
fn strike(proxy: &Proxy, fault: Fault, lasts: Duration) {
    let before = proxy.seen.hit.load(Ordering::Relaxed);
    let hits = || proxy.seen.hit.load(Ordering::Relaxed) - before;
    let begun = Instant::now();
    // What is late hits nothing, and a worker may have nothing to say for a moment.
    let has_hit = || hits() > 0 || matches!(fault, Fault::Delay(_));
    proxy.set(fault);
    while begun.elapsed() < lasts || !has_hit() && begun.elapsed() < lasts + HITS_WITHIN {
        thread::sleep(Duration::from_millis(200));
        if fault == Fault::LoseAnswer {
            // Whoever comes back gets through, to lose another answer a moment later.
            proxy.set(Fault::None);
            thread::sleep(Duration::from_millis(500));
            proxy.set(fault);
        }
    }
    proxy.set(Fault::None);
    assert!(has_hit(), "{fault:?} has hit no connection");
}

#[test]
fn a_sink_at_a_twentieth_of_its_speed_sets_the_pace_and_no_more() {
    let house = House::with(&["kafka", "cassandra", "mongo"], 1);
    let stage = Stage::at(house.engines());
    let proxies = house.proxied(&stage);
    let (events, measured, slow) = scale((4_000, 1, 3), (60_000, 15, 90));
    let trial = Trial::backlog(&stage, events);
    let speed = |seconds| {
        let before = proxies.mongo.seen.up.load(Ordering::Relaxed);
        thread::sleep(Duration::from_secs(seconds));
        (proxies.mongo.seen.up.load(Ordering::Relaxed) - before) / seconds
    };
    eventually("events flow", || speed(1) > 0);
    let full = speed(measured);
    let rebalances = trial.rebalances();
    proxies.mongo.set(Fault::Throttle((full / 20).max(1)));
    let slowed = speed(slow);
    assert!(slowed <= full / 10, "{slowed} bytes a second, and {full} before");
    assert_eq!(trial.rebalances(), rebalances, "nobody was taken for dead");
    proxies.mongo.set(Fault::None);
    let what = format!("mongodb given {slowed} bytes a second instead of {full} for {slow} s, 0 rebalances");
    trial.end("slow sink", &what);
}
