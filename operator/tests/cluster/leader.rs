//! Of several operators one leads.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    house::Room,
    pipelines::{PIPELINE, STREAMING, WORKERS, keys, patch},
    process::Operator,
    relay::Relay,
};

/// A dead leader is followed within so long.
const TAKE_OVER: Duration = Duration::from_secs(20);

const STORE: &str = "apiVersion: lethe.dev/v1alpha1\nkind: DataStore\nmetadata: {name: closed}\n\
                     spec: {kafka: {bootstrapServers: ['127.0.0.1:1']}}\n";

fn leads(operator: &Operator) {
    operator.until_it_says("leading");
}

#[test]
fn a_standby_takes_over_when_the_leader_is_killed_and_at_once_when_it_is_asked_to_stop() {
    let room = Room::new();
    let first = room.operator();
    leads(&first);
    let second = room.operator();
    second.until_it_says("waiting to lead");
    for (operator, leads) in [(&first, 1), (&second, 0)] {
        for probe in ["/livez", "/readyz"] {
            assert_eq!(operator.get(probe).0, 200, "{probe}");
        }
        let (code, metrics) = operator.get("/metrics");
        assert_eq!(code, 200);
        assert!(metrics.contains(&format!("lethe_operator_leader {leads}\n")), "{metrics}");
    }
    first.signal("-KILL");
    let killed = Instant::now();
    leads(&second);
    let took = killed.elapsed();
    println!("take-over after kill -9: {:.1} s", took.as_secs_f64());
    assert!(took < TAKE_OVER, "{took:?}");
    room.apply(STORE);
    room.until_ready_says("datastore/closed", "Unreachable");
    let third = room.operator();
    third.until_it_says("waiting to lead");
    assert_eq!(second.stop(), Some(0));
    let stopped = Instant::now();
    leads(&third);
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
}

#[test]
fn a_leader_that_was_stopped_for_too_long_ends_and_writes_nothing_more() {
    let room = Room::new();
    let mut first = room.operator();
    leads(&first);
    let second = room.operator();
    second.until_it_says("waiting to lead");
    first.signal("-STOP");
    leads(&second);
    room.apply(STORE);
    room.until_ready_says("datastore/closed", "Unreachable");
    first.signal("-CONT");
    assert_eq!(first.ends(), Some(3));
    assert!(first.said().contains("another leads"), "{}", first.said());
}

/// What befalls a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// It is killed.
    Kill,
    /// It stands still, and goes on when another leads.
    Stop,
    /// Nothing passes between it and the API server, until another leads.
    CutOff,
}

#[test]
fn whatever_befalls_the_leader_whenever_nothing_goes_back_and_nothing_is_there_twice() {
    // A pipeline is applied within 0.4 s, kubectl's own time included.
    let (steps, apart) = if std::env::var_os("LETHE_SOAK").is_some() { (16, 25) } else { (2, 180) };
    for step in 0..steps {
        let after = Duration::from_millis(60 + step * apart);
        std::thread::scope(|scope| {
            for blow in [Blow::Kill, Blow::Stop, Blow::CutOff] {
                scope.spawn(move || befall(blow, after));
            }
        });
    }
}

/// A pipeline comes, and so long after that a leader is struck; meanwhile the pipeline changes.
fn befall(blow: Blow, after: Duration) {
    let room = Room::new();
    keys(&room);
    room.apply(STREAMING[0]);
    let relay = Relay::to(room.house.server());
    let often = ["--look-interval", "5", "--store-interval", "5"];
    let mut first = room.operator_with(relay.address, &often);
    leads(&first);
    let second = room.operator();
    second.until_it_says("waiting to lead");
    let plans = Watch::new(&room, "deployments", r#"{.spec.template.metadata.annotations.lethe\.dev/config}{"\n"}"#);
    let seen = Watch::new(&room, "profilepipelines", r#"{.status.observedGeneration}{"\n"}"#);

    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| room.apply(STREAMING[1]));
        std::thread::sleep(after.saturating_sub(began.elapsed()));
        match blow {
            Blow::Kill => first.signal("-KILL"),
            Blow::Stop => first.signal("-STOP"),
            Blow::CutOff => relay.cut(),
        }
    });
    let struck = Instant::now();
    patch(&room, PIPELINE, &json!({"spec": {"revision": 1}}));
    leads(&second);
    let took = struck.elapsed();
    println!(
        "leader: {blow:?} {} ms after a pipeline came: another leads after {:.1} s",
        after.as_millis(),
        took.as_secs_f64()
    );
    assert!(took < TAKE_OVER, "{blow:?}: {took:?}");
    let runs = |room: &Room, revision: u64| {
        let plan = plan_of(room, revision);
        room.until(WORKERS, |workers| {
            workers["spec"]["template"]["metadata"]["annotations"]["lethe.dev/config"] == plan
        });
        plan
    };
    let one = runs(&room, 1);
    match blow {
        Blow::Kill => {}
        Blow::Stop => first.signal("-CONT"),
        Blow::CutOff => relay.mend(),
    }
    if blow != Blow::Kill {
        assert_eq!(first.ends(), Some(3), "{blow:?}: {}", first.said());
    }
    patch(&room, PIPELINE, &json!({"spec": {"revision": 2}}));
    let two = runs(&room, 2);
    room.until(PIPELINE, |pipeline| pipeline["status"]["observedGeneration"] == pipeline["metadata"]["generation"]);

    let mut plans = plans.end();
    plans.dedup();
    let zero = plan_if_any(&room, 0);
    let order: Vec<String> = zero.into_iter().chain([one, two]).collect();
    let places: Vec<Option<usize>> = plans.iter().map(|plan| order.iter().position(|known| known == plan)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{blow:?} {after:?}: {plans:?} {order:?}");
    let seen = seen.end();
    let generations: Vec<i64> = seen.iter().filter_map(|line| line.parse().ok()).collect();
    assert!(generations.is_sorted(), "{blow:?} {after:?}: {seen:?}");
    for (kind, most) in [
        ("deployments", 1),
        ("configmaps", order.len()),
        ("services", 1),
        ("networkpolicies", 1),
        ("serviceaccounts", 1),
    ] {
        let selector = "-l=lethe.dev/pipeline=profiles";
        let names = room.kubectl(&["get", kind, selector, "-o", "jsonpath={.items[*].metadata.name}"]);
        assert_eq!(names.split_whitespace().count(), most, "{blow:?} {after:?}: {kind} {names}");
    }
    assert_eq!(room.refused(), Vec::<Value>::new());
}

/// Name of the configuration of a revision, once it is there.
#[track_caller]
fn plan_of(room: &Room, revision: u64) -> String {
    let started = Instant::now();
    loop {
        if let Some(plan) = plan_if_any(room, revision) {
            return plan;
        }
        assert!(started.elapsed() < TAKE_OVER, "there is no configuration of revision {revision}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn plan_if_any(room: &Room, revision: u64) -> Option<String> {
    let all = room.get("configmaps");
    let found = all["items"].as_array().unwrap().iter().find(|map| {
        let plan = map["data"]["pipeline.json"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        plan.is_some_and(|plan| plan["spec"]["revision"].as_u64().unwrap_or(0) == revision)
    });
    Some(found?["metadata"]["name"].as_str()?.to_owned())
}

/// What somebody saw who watched.
struct Watch {
    kubectl: Child,
    seen: tempfile::NamedTempFile,
}

impl Watch {
    fn new(room: &Room, kind: &str, what: &str) -> Self {
        let seen = tempfile::NamedTempFile::new().unwrap();
        let (program, admin) = room.house.program();
        let kubectl = Command::new(program)
            .arg("--kubeconfig")
            .arg(admin)
            .args(["-n", &room.namespace, "get", kind, "--watch", "-o", &format!("jsonpath={what}")])
            .stdout(seen.reopen().unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { kubectl, seen }
    }

    fn end(self) -> Vec<String> {
        let text = std::fs::read_to_string(self.seen.path()).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}
