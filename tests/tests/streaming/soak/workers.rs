//! Workers that join and leave their group.

use crate::{
    pipeline_fixture::PipelineFixture,
    soak::{scale, soak_run::SoakRun, soak_servers::SoakServers},
};

#[test]
fn a_rolling_replacement_of_workers_loses_and_duplicates_nothing() {
    let servers = SoakServers::shared();
    let fixture = PipelineFixture::on_servers(servers.engines());
    let (rate, events, rounds) = scale((300, 3_000, 2), (500, 60_000, 25));
    let mut run = SoakRun::start(&fixture, rate, events);
    for _ in 0..rounds {
        run.stop_oldest_worker();
        run.recover();
        run.add_worker();
        run.catch_up();
    }
    run.finish("rolling stop", &format!("{rounds} of 2 workers replaced"));
}

#[test]
fn a_worker_that_joins_and_leaves_repeatedly_costs_time_alone() {
    let servers = SoakServers::shared();
    let fixture = PipelineFixture::on_servers(servers.engines());
    let (rate, events, rounds) = scale((300, 3_000, 2), (500, 50_000, 20));
    let mut run = SoakRun::start(&fixture, rate, events);
    for _ in 0..rounds {
        run.add_worker();
        run.wait_until_all_read();
        run.stop_newest_worker();
        run.wait_until_all_read();
    }
    run.recover();
    let rebalances = run.rebalances();
    run.finish("rebalance storm", &format!("a third worker joined and left {rounds} times, {rebalances} rebalances"));
}
