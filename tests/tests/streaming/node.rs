//! Workers as pods on a real node. The operator is installed from `deploy/` and creates the pods.
//! Events move through them while they are scaled, while a Secret is rotated, and while one of them
//! is killed.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use lethe_tests::{
    engines::PrivateEngine,
    folder::{Folder, repository},
    process::{Running, finish},
    programs::{operator_program, worker_program},
};
use mongodb::{
    Client,
    bson::{Document, doc},
};
use serde_json::{Value, json};

use crate::{proxy::Proxy, topics::Topics};

const NAMESPACE: &str = "shop";
const PIPELINE: &str = "profilepipeline/profiles";
/// Events that are sent during the test, and their rate: they come until its last step.
const EVENTS: usize = 20_000;
const RATE: &str = "400/s";
/// Events that are sent after the rotation.
const LATER: usize = 500;

/// A node. It is stopped and wiped when it is dropped.
struct Node {
    files: tempfile::TempDir,
    kubectl: PathBuf,
    admin: PathBuf,
    /// Address of this machine for pods.
    address: IpAddr,
}

impl Node {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let facts = script(&files, "node", &["up"]);
        let fact = |name: &str| {
            let line = facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{name} is not in {facts}")).to_owned()
        };
        let (kubectl, admin) = (fact("KUBECTL").into(), fact("LETHE_TEST_KUBECONFIG").into());
        let address = fact("NODE_ADDRESS").parse().unwrap();
        Self { files, kubectl, admin, address }
    }

    /// Creates an image of a program and loads it into the node, under the name that `deploy/` and
    /// the operator use.
    fn load_image(&self, name: &str, program: &str) {
        let archive = self.files.path().join(format!("{name}.tar"));
        let archive = archive.to_str().unwrap();
        let image = format!("ghcr.io/lethe-dev/{name}:{}", env!("CARGO_PKG_VERSION"));
        let program = format!("{program}:/usr/bin/{name}");
        script(&self.files, "make-image", &[&image, archive, "--bin", &program, "--ca-certs"]);
        script(&self.files, "load-image", &[archive]);
    }

    #[track_caller]
    fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.admin).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn apply(&self, manifest: &str) {
        self.kubectl(&["-n", NAMESPACE, "apply", "-f", "-"], manifest);
    }

    fn get(&self, what: &[&str]) -> Value {
        let text = self.kubectl(&[&["-n", NAMESPACE, "get", "-o", "json"], what].concat(), "");
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until so many workers run the current plan.
    #[track_caller]
    fn wait_until_ready(&self, workers: i64) {
        wait_until(Duration::from_secs(120), &format!("{workers} workers are ready"), || {
            let pipeline = self.get(&[PIPELINE]);
            let conditions = pipeline["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let is_ready = conditions.iter().any(|condition| {
                condition["type"] == "Ready"
                    && condition["status"] == "True"
                    && condition["observedGeneration"] == pipeline["metadata"]["generation"]
            });
            is_ready && pipeline["status"]["replicas"] == workers
        });
    }

    /// Returns the reason of the condition `Ready` of the pipeline.
    fn ready_reason(&self) -> String {
        let reason = r#"jsonpath={.status.conditions[?(@.type=="Ready")].reason}"#;
        self.kubectl(&["-n", NAMESPACE, "get", PIPELINE, "-o", reason], "")
    }

    /// Returns the UIDs of the workers' pods.
    fn pods(&self) -> BTreeSet<String> {
        let pods = self.get(&["pods", "-l", "lethe.dev/pipeline=profiles"]);
        let pods = pods["items"].as_array().unwrap().iter();
        pods.map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns how often containers of the workers were restarted.
    fn restarts(&self) -> i64 {
        let pods = self.get(&["pods", "-l", "lethe.dev/pipeline=profiles"]);
        let statuses = pods["items"].as_array().unwrap().iter().map(|pod| &pod["status"]["containerStatuses"][0]);
        statuses.filter_map(|status| status["restartCount"].as_i64()).sum()
    }
}

/// Waits until a condition holds. Fails the test after `bound`. Each check may start kubectl, which
/// takes a tenth of a second of CPU.
#[track_caller]
fn wait_until(bound: Duration, what: &str, mut is_met: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_met() {
        assert!(started.elapsed() < bound, "not within {bound:?}: {what}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for what in [
                &["get", "pods", "-A", "-o", "wide"][..],
                &["-n", NAMESPACE, "describe", "pods,profilepipelines,datastores"],
                &["-n", NAMESPACE, "logs", "-l", "lethe.dev/pipeline=profiles", "--tail=20", "--prefix"],
                &["-n", "lethe-system", "logs", "-l", "app.kubernetes.io/name=lethe-operator", "--tail=20"],
            ] {
                let done = Command::new(&self.kubectl).arg("--kubeconfig").arg(&self.admin).args(what).output();
                eprintln!("--- {what:?}\n{}", String::from_utf8_lossy(&done.unwrap().stdout));
            }
        }
        script(&self.files, "node", &["down", "--kill", "--wipe"]);
    }
}

fn script(files: &tempfile::TempDir, name: &str, arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("engines/kubernetes").join(name);
    let mut command = Command::new(&path);
    command.args(arguments).env("QUIET", "1").env("LETHE_ENGINES_DIR", files.path());
    let done = command.output().unwrap();
    assert!(done.status.success(), "{} {arguments:?}: {}", path.display(), String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Returns the streaming example with stores at these addresses, and with two sinks: the history in
/// MongoDB, and the output topic.
fn manifests(kafka: SocketAddr, mongodb: SocketAddr) -> [Value; 4] {
    let text = fs::read_to_string(repository().join("examples/streaming/pipeline.yaml")).unwrap();
    let mut pipeline: Value = serde_yaml::from_str(&text).unwrap();
    pipeline["spec"]["keys"]["storeRef"]["name"] = "documents".into();
    let sinks = pipeline["spec"]["sinks"].as_array().unwrap();
    let sink = |name: &str| sinks.iter().find(|sink| sink["name"] == name).unwrap().clone();
    let (mut history, clean) = (sink("history"), sink("clean"));
    for member in ["cassandra", "maxAge"] {
        history.as_object_mut().unwrap().remove(member);
    }
    history["mongodb"] =
        json!({"storeRef": {"name": "documents"}, "database": "shop", "collection": "history", "manage": "Create"});
    pipeline["spec"]["sinks"] = json!([history, clean]);
    pipeline["spec"]["replicas"] = json!(1);
    let store = |name: &str, spec: Value| json!({"apiVersion": "lethe.dev/v1alpha1", "kind": "DataStore", "metadata": {"name": name}, "spec": spec});
    let login = json!({"secretRef": {"name": "documents-login"}});
    [
        json!({"apiVersion": "v1", "kind": "Secret", "type": "lethe.dev/store", "metadata": {"name": "documents-login"},
            "stringData": {"username": "app", "password": "app-secret"}}),
        store("events", json!({"kafka": {"bootstrapServers": [kafka.to_string()]}})),
        store("documents", json!({"mongodb": {"hosts": [mongodb.to_string()], "credentials": login}})),
        pipeline,
    ]
}

/// Returns the processes of workers in containers of the node.
fn workers() -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is_worker = |pid: &u32| {
        let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        read("cmdline").starts_with("/usr/bin/lethe-worker\0run\0") && read("cgroup").contains("lethe-node")
    };
    processes.filter(is_worker).collect()
}

#[test]
fn pods_deliver_every_event_while_they_are_scaled_rotated_and_killed() {
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) != 0) {
        println!("node: left out, since only root can make a node");
        return;
    }
    if std::env::var_os("LETHE_TEST_NODE").is_some_and(|which| which == "none") {
        println!("node: left out, as LETHE_TEST_NODE says");
        return;
    }
    let node = Node::start();
    node.load_image("lethe-operator", operator_program());
    node.load_image("lethe-worker", worker_program());
    let host = node.address;
    let kafka = PrivateEngine::start("kafka", &[("KAFKA_PROXY_HOST", &host.to_string())]);
    let mongodb = PrivateEngine::start("mongo", &[("MONGO_STANDALONE", "1"), ("MONGO_AUTH", "1")]);
    let kafka_at = SocketAddr::from((host, kafka.port + 103));
    let mongodb_at = SocketAddr::from((host, mongodb.port));
    let _to_kafka = Proxy::listening(kafka_at, kafka.port + 3);
    let _to_mongodb = Proxy::listening(mongodb_at, mongodb.port);
    let topics = Topics::at(kafka.facts.kafka());
    topics.create("user_profiles", 6);

    for folder in ["crds", "deploy"] {
        let folder = repository().join(folder);
        node.kubectl(&["apply", "--server-side", "-f", folder.to_str().unwrap()], "");
    }
    node.kubectl(&["create", "namespace", NAMESPACE], "");
    let folder = Folder::empty();
    folder.create_keys();
    let secret = |folder: &Folder| String::from_utf8(folder.read("keys.yaml")).unwrap();
    node.apply(&secret(&folder));
    let began = Instant::now();
    for (number, manifest) in manifests(kafka_at, mongodb_at).iter().enumerate() {
        // Keys are rotated on this machine, with the same manifests.
        folder.write(&format!("{number}.yaml"), manifest.to_string());
        node.apply(&manifest.to_string());
    }
    node.wait_until_ready(1);
    println!("node: a worker is ready {:.1} s after it was declared", began.elapsed().as_secs_f64());

    let feeder = feed(&folder, kafka.facts.kafka(), EVENTS, 1);
    node.kubectl(&["-n", NAMESPACE, "scale", PIPELINE, "--replicas=3"], "");
    node.wait_until_ready(3);

    let before = node.pods();
    let rotate = |step: &str| finish(&mut folder.worker(&["keys", "rotate", step, "--live", "-f", "."])).success();
    rotate("--only-make");
    let rotated = Instant::now();
    node.apply(&secret(&folder));
    // Without this it would be noticed within a minute.
    node.kubectl(&["-n", NAMESPACE, "annotate", PIPELINE, "lethe.dev/reconcile-requested-at=rotated"], "");
    wait_until(Duration::from_secs(180), "all workers are replaced", || {
        let now = node.pods();
        now.len() == 3 && now.is_disjoint(&before)
    });
    node.wait_until_ready(3);
    println!("node: a rotated Secret has reached all workers after {:.1} s", rotated.elapsed().as_secs_f64());

    let victim = workers()[0];
    assert!(Command::new("kill").args(["-KILL", &victim.to_string()]).status().unwrap().success());
    wait_until(Duration::from_secs(60), "the killed worker is restarted", || node.restarts() == 1);
    node.wait_until_ready(3);

    // A pod that starts after an invalid edit reads the last valid plan.
    let edit = |patch: Value| {
        node.kubectl(&["-n", NAMESPACE, "patch", PIPELINE, "--type=merge", "-p", &patch.to_string()], "")
    };
    edit(json!({"spec": {"keys": {"storeRef": {"name": "gone"}}}}));
    wait_until(Duration::from_secs(30), "the mistake is reported", || node.ready_reason() == "StoreNotFound");
    let before = node.pods();
    let some = node.get(&["pods", "-l", "lethe.dev/pipeline=profiles"])["items"][0]["metadata"]["name"].clone();
    node.kubectl(&["-n", NAMESPACE, "delete", "pod", some.as_str().unwrap()], "");
    wait_until(Duration::from_secs(60), "another pod runs with the old plan", || {
        node.pods() != before && node.get(&["deployment/profiles-worker"])["status"]["readyReplicas"] == 3
    });
    assert_eq!(node.ready_reason(), "StoreNotFound");
    edit(json!({"spec": {"keys": {"storeRef": {"name": "documents"}}}}));
    node.wait_until_ready(3);

    feeder.finish_within(Duration::from_secs(120)).success();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let uri = format!("mongodb://app:app-secret@127.0.0.1:{}/?authSource=admin&directConnection=true", mongodb.port);
    let history = || {
        runtime.block_on(async {
            let client = Client::with_uri_str(&uri).await.unwrap();
            let found = client.database("shop").collection::<Document>("history").find(doc! {}).await.unwrap();
            found.try_collect::<Vec<Document>>().await.unwrap()
        })
    };
    let group = topics.reader("lethe.shop.profiles");
    let until_committed = || {
        wait_until(Duration::from_secs(120), "everything is committed", || {
            let committed = crate::topics::committed("user_profiles", &group, crate::topics::PATIENCE).unwrap();
            committed.values().all(|(at, end)| at == end)
        });
    };
    until_committed();
    // The last step of a rotation; after it, what the first master wrapped is opened by the second.
    rotate("--only-rewrap");
    feed(&folder, kafka.facts.kafka(), LATER, 2).finish_within(Duration::from_secs(60)).success();
    until_committed();
    let all = EVENTS + LATER;
    assert_eq!(topics.count("user_profiles"), all as u64);
    let documents = history();
    // `<reference>:<event id>`
    let id = |document: &Document| document.get_str("_id").unwrap().rsplit(':').next().unwrap().to_owned();
    let ids: BTreeSet<String> = documents.iter().map(id).collect();
    assert_eq!((documents.len(), ids.len()), (all, all), "each event once");
    let again = topics.count("user_profiles_clean") - all as u64;
    println!("node: {all} events, each once in MongoDB, {again} of them twice in the topic: read again after the kill");
    node.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=90s"], "");
}

/// Sends events at a steady rate.
fn feed(folder: &Folder, kafka: &str, events: usize, seed: u64) -> Running {
    let mut command = folder.generator(&["account", "--to", "kafka", "--topic", "user_profiles"]);
    command.args(["--bootstrap", kafka, "--count", &events.to_string(), "--seed", &seed.to_string()]);
    command.args(["--subjects", "1000", "--rate", RATE]);
    Running::start(&mut command)
}
