//! The control plane, a namespace for each test, and operators that watch it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything is waited for that should take a moment.
pub const PATIENCE: Duration = Duration::from_secs(30);

struct House {
    kubectl: PathBuf,
    admin: PathBuf,
    audit: PathBuf,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let up = Command::new(root().join("tests/engines/kubernetes/up")).env("QUIET", "1").output().unwrap();
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        let facts = String::from_utf8(up.stdout).unwrap();
        let fact = |name: &str| {
            let line = facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            PathBuf::from(line.unwrap_or_else(|| panic!("{name} is not in {facts}")))
        };
        let house = House { kubectl: fact("KUBECTL"), admin: fact("LETHE_TEST_KUBECONFIG"), audit: fact("AUDIT_LOG") };
        let crds = root().join("crds");
        house.kubectl(&["apply", "--server-side", "-f", crds.to_str().unwrap()], None);
        house.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"], None);
        house
    })
}

impl House {
    fn run(&self, arguments: &[&str], input: Option<&str>) -> Output {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.admin).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.unwrap_or_default().as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn kubectl(&self, arguments: &[&str], input: Option<&str>) -> String {
        let done = self.run(arguments, input);
        assert!(done.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

/// A namespace, with an operator's account in it.
pub struct Room {
    pub namespace: String,
    files: tempfile::TempDir,
}

impl Room {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let room = Self { namespace, files: tempfile::tempdir().unwrap() };
        house().kubectl(&["create", "namespace", &room.namespace], None);
        let rights = std::fs::read_to_string(root().join("deploy/rbac.yaml")).unwrap();
        let kept = rights
            .split("\n---\n")
            .filter(|part| !part.contains("kind: Namespace\n") && !part.contains("kind: ClusterRoleBinding\n"));
        let mut rights = kept.collect::<Vec<_>>().join("\n---\n").replace("lethe-system", &room.namespace);
        // As in a cluster where the operator watches a few namespaces.
        rights.push_str(&format!(
            "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: watched, namespace: {0}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lethe-operator}}\n\
             subjects: [{{kind: ServiceAccount, name: lethe-operator, namespace: {0}}}]\n",
            room.namespace
        ));
        house().kubectl(&["apply", "-f", "-"], Some(&rights));
        let token = room.kubectl(&["create", "token", "lethe-operator", "--duration=2h"]);
        let mut config: Value = serde_yaml::from_str(&std::fs::read_to_string(&house().admin).unwrap()).unwrap();
        config["users"][0]["user"] = serde_json::json!({"token": token.trim()});
        std::fs::write(room.kubeconfig(), config.to_string()).unwrap();
        room
    }

    fn kubeconfig(&self) -> PathBuf {
        self.files.path().join("kubeconfig")
    }

    /// Starts an operator that watches this namespace.
    pub fn operator(&self) -> Operator {
        let log =
            self.files.path().join(format!("operator-{:?}.log", Instant::now()).replace(['{', '}', ' ', ':'], ""));
        let child = Command::new(env!("CARGO_BIN_EXE_lethe-operator"))
            .args(["run", "--listen", "127.0.0.1:0", "--namespace", &self.namespace, "--operator-namespace"])
            .args([self.namespace.as_str(), "--look-interval", "5", "--store-interval", "5"])
            .args(["--worker-image", "localhost/lethe-worker:1"])
            .env("KUBECONFIG", self.kubeconfig())
            .stderr(std::fs::File::create(&log).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Operator { child, log }
    }

    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let mut all = vec!["-n", self.namespace.as_str()];
        all.extend(arguments);
        house().kubectl(&all, None)
    }

    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        house().kubectl(&["-n", &self.namespace, "apply", "-f", "-"], Some(manifest));
    }

    /// An object; null where there is none.
    pub fn get(&self, what: &str) -> Value {
        let arguments = ["-n", &self.namespace, "get", what, "-o", "json", "--ignore-not-found"];
        let text = house().kubectl(&arguments, None);
        if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Waits until an object is as it should be; answers it.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let object = self.get(what);
            if is_so(&object) {
                return object;
            }
            assert!(started.elapsed() < PATIENCE, "{what} is not as it should be: {object:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the condition `Ready` of an object has a reason.
    #[track_caller]
    pub fn until_ready_says(&self, what: &str, reason: &str) -> Value {
        self.until(what, |object| condition(object, "Ready")["reason"] == reason)
    }

    /// What the operator wrote in this namespace so far, but for its Lease: verb, resource and name.
    pub fn writes(&self) -> Vec<String> {
        let user = format!("system:serviceaccount:{}:lethe-operator", self.namespace);
        let log = std::fs::read_to_string(&house().audit).unwrap();
        let lines = log.lines().filter(|line| line.contains(&user)).filter_map(|line| serde_json::from_str(line).ok());
        let writes = lines.filter(|event: &Value| {
            !matches!(event["verb"].as_str(), Some("get" | "list" | "watch"))
                && event["objectRef"]["resource"] != "leases"
        });
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        writes
            .map(|event| {
                let of = &event["objectRef"];
                format!(
                    "{} {}{} {}",
                    text(&event["verb"]),
                    text(&of["resource"]),
                    text(&of["subresource"]),
                    text(&of["name"])
                )
            })
            .collect()
    }

    /// What the operator was refused.
    pub fn refused(&self) -> Vec<String> {
        let user = format!("system:serviceaccount:{}:lethe-operator", self.namespace);
        let log = std::fs::read_to_string(&house().audit).unwrap();
        let refused = log.lines().filter(|line| line.contains(&user) && line.contains("\"code\":403"));
        refused.map(str::to_owned).collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        house().run(&["delete", "namespace", &self.namespace, "--wait=false"], None);
    }
}

/// A condition of an object; null where there is none.
pub fn condition(object: &Value, kind: &str) -> Value {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|condition| condition["type"] == kind).unwrap_or(Value::Null)
}

/// An operator that runs.
pub struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it takes now, in MiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Asks it to stop; answers its exit code.
    #[track_caller]
    pub fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.ends()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn ends(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    pub fn until_it_says(&self, words: &str) {
        let started = Instant::now();
        while !self.said().contains(words) {
            assert!(started.elapsed() < PATIENCE, "it does not say {words:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
