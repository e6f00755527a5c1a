//! One of several operators leads.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    control_plane::{block_on, wait_until},
    operator_process::OperatorProcess,
    pipelines::{PIPELINE, STREAMING, WORKERS, create_keys},
    tcp_relay::TcpRelay,
    temp_namespace::TempNamespace,
};

/// The longest time until another leads in place of a dead leader.
const TAKE_OVER: Duration = Duration::from_secs(20);

const STORE: &str = "apiVersion: lethe.dev/v1alpha1\nkind: DataStore\nmetadata: {name: closed}\n\
                     spec: {kafka: {bootstrapServers: ['127.0.0.1:1']}}\n";

fn wait_until_leading(operator: &OperatorProcess) {
    operator.wait_for_log("leading");
}

#[test]
fn a_standby_takes_over_from_a_killed_leader_and_at_once_from_one_that_stops() {
    let namespace = TempNamespace::new();
    let first = namespace.operator();
    wait_until_leading(&first);
    let second = namespace.operator();
    second.wait_for_log("waiting to lead");
    for (operator, is_leader) in [(&first, 1), (&second, 0)] {
        for probe in ["/livez", "/readyz"] {
            assert_eq!(operator.http_get(probe).0, 200, "{probe}");
        }
        let (code, metrics) = operator.http_get("/metrics");
        assert_eq!(code, 200);
        assert!(metrics.contains(&format!("lethe_operator_leader {is_leader}\n")), "{metrics}");
    }
    first.signal("-KILL");
    let killed = Instant::now();
    wait_until_leading(&second);
    let took = killed.elapsed();
    println!("take-over after kill -9: {:.1} s", took.as_secs_f64());
    assert!(took < TAKE_OVER, "{took:?}");
    namespace.apply(STORE);
    namespace.wait_for_reason("datastore/closed", "Unreachable");
    let third = namespace.operator();
    third.wait_for_log("waiting to lead");
    assert_eq!(second.stop(), Some(0));
    let stopped = Instant::now();
    wait_until_leading(&third);
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
}

#[test]
fn a_leader_that_was_suspended_for_too_long_exits_and_writes_nothing_more() {
    let namespace = TempNamespace::new();
    let mut first = namespace.operator();
    wait_until_leading(&first);
    let second = namespace.operator();
    second.wait_for_log("waiting to lead");
    first.signal("-STOP");
    wait_until_leading(&second);
    namespace.apply(STORE);
    namespace.wait_for_reason("datastore/closed", "Unreachable");
    first.signal("-CONT");
    assert_eq!(first.wait_for_exit(), Some(3));
    assert!(first.log().contains("another leads"), "{}", first.log());
}

/// What happens to a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and SIGCONT when another leads.
    Suspend,
    /// No byte passes between it and the API server until another leads.
    CutOff,
}

#[test]
fn a_leader_that_fails_at_any_moment_neither_reverts_nor_duplicates_anything() {
    // A pipeline is applied within 0.4 s.
    let soak = std::env::var_os("LETHE_SOAK").is_some();
    let (steps, apart, at_once) = if soak { (16, 25, 1) } else { (2, 180, 2) };
    let moments: Vec<Duration> = (0..steps).map(|step| Duration::from_millis(60 + step * apart)).collect();
    for moments in moments.chunks(at_once) {
        std::thread::scope(|scope| {
            for after in moments {
                for failure in [Failure::Kill, Failure::Suspend, Failure::CutOff] {
                    scope.spawn(move || fail_leader(failure, *after));
                }
            }
        });
    }
}

/// Creates a pipeline, lets the leader fail this long after, and changes the pipeline meanwhile.
fn fail_leader(failure: Failure, after: Duration) {
    let namespace = TempNamespace::new();
    create_keys(&namespace);
    namespace.apply(STREAMING[0]);
    let relay = TcpRelay::to(namespace.plane.server());
    let often = ["--look-interval", "5", "--store-interval", "5"];
    let mut first = namespace.operator_with(relay.address, &often);
    wait_until_leading(&first);
    let second = namespace.operator();
    second.wait_for_log("waiting to lead");
    let plans = Watch::start(&namespace, "deployment", |deployment| {
        deployment["spec"]["template"]["metadata"]["annotations"]["lethe.dev/config"].as_str().map(str::to_owned)
    });
    let generations =
        Watch::start(&namespace, "profilepipeline", |pipeline| pipeline["status"]["observedGeneration"].as_i64());

    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| namespace.apply(STREAMING[1]));
        std::thread::sleep(after.saturating_sub(began.elapsed()));
        match failure {
            Failure::Kill => first.signal("-KILL"),
            Failure::Suspend => first.signal("-STOP"),
            Failure::CutOff => relay.cut(),
        }
    });
    let failed = Instant::now();
    namespace.patch(PIPELINE, &json!({"spec": {"revision": 1}}));
    wait_until_leading(&second);
    let took = failed.elapsed();
    println!(
        "leader: {failure:?} {} ms after a pipeline was created: another leads after {:.1} s",
        after.as_millis(),
        took.as_secs_f64()
    );
    assert!(took < TAKE_OVER, "{failure:?}: {took:?}");
    let wait_for_revision = |revision: u64| {
        let plan = wait_for_plan(&namespace, revision);
        namespace.wait_for(WORKERS, |workers| {
            workers["spec"]["template"]["metadata"]["annotations"]["lethe.dev/config"] == plan
        });
        plan
    };
    let one = wait_for_revision(1);
    match failure {
        Failure::Kill => {}
        Failure::Suspend => first.signal("-CONT"),
        Failure::CutOff => relay.mend(),
    }
    if failure != Failure::Kill {
        assert_eq!(first.wait_for_exit(), Some(3), "{failure:?}: {}", first.log());
    }
    namespace.patch(PIPELINE, &json!({"spec": {"revision": 2}}));
    let two = wait_for_revision(2);
    namespace
        .wait_for(PIPELINE, |pipeline| pipeline["status"]["observedGeneration"] == pipeline["metadata"]["generation"]);

    let mut plans = plans.stop();
    plans.dedup();
    let zero = find_plan(&namespace, 0);
    let order: Vec<String> = zero.into_iter().chain([one, two]).collect();
    let places: Vec<Option<usize>> = plans.iter().map(|plan| order.iter().position(|known| known == plan)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{failure:?} {after:?}: {plans:?} {order:?}");
    let generations = generations.stop();
    assert!(generations.is_sorted(), "{failure:?} {after:?}: {generations:?}");
    for (kind, most) in
        [("deployment", 1), ("configmap", order.len()), ("service", 1), ("networkpolicy", 1), ("serviceaccount", 1)]
    {
        let found = namespace.list(kind, "lethe.dev/pipeline=profiles").len();
        assert_eq!(found, most, "{failure:?} {after:?}: {kind}");
    }
    assert_eq!(namespace.refused(), Vec::<Value>::new());
}

/// Waits for the ConfigMap of a revision. Returns its name.
#[track_caller]
fn wait_for_plan(namespace: &TempNamespace, revision: u64) -> String {
    wait_until(|| find_plan(namespace, revision).ok_or_else(|| format!("no ConfigMap of revision {revision}")))
}

fn find_plan(namespace: &TempNamespace, revision: u64) -> Option<String> {
    let all = namespace.list("configmap", "");
    let found = all.iter().find(|map| {
        let plan = map["data"]["pipeline.json"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        plan.is_some_and(|plan| plan["spec"]["revision"].as_u64().unwrap_or(0) == revision)
    });
    Some(found?["metadata"]["name"].as_str()?.to_owned())
}

/// Collects a value of every state of the objects of a kind, in the order in which a watch has
/// them.
struct Watch<T> {
    task: JoinHandle<()>,
    seen: Arc<Mutex<Vec<T>>>,
}

impl<T: Send + 'static> Watch<T> {
    fn start(namespace: &TempNamespace, kind: &str, value: impl Fn(&Value) -> Option<T> + Send + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let api = namespace.plane.api(kind, Some(&namespace.name));
        let collected = Arc::clone(&seen);
        let states = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
        let collect = states.try_for_each(move |object| {
            let object = serde_json::to_value(object).unwrap();
            collected.lock().unwrap().extend(value(&object));
            std::future::ready(Ok(()))
        });
        let runtime = block_on(async { tokio::runtime::Handle::current() });
        let task = runtime.spawn(async { collect.await.unwrap() });
        Self { task, seen }
    }

    /// Ends the watch. Returns what it has collected.
    fn stop(self) -> Vec<T> {
        self.task.abort();
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}
