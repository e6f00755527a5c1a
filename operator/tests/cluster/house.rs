//! The control plane, a namespace for each test, and operators that watch it.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::process::Operator;

/// How long anything is waited for that should take a moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// A control plane.
pub struct House {
    environment: Vec<(&'static str, String)>,
    kubectl: PathBuf,
    admin: PathBuf,
    audit: PathBuf,
    /// Where the data of one lie that is nobody else's.
    own: Option<tempfile::TempDir>,
}

/// Asks again until there is an answer, for as long as [`PATIENCE`]; else says why there is none.
#[track_caller]
pub fn awaited<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(begun.elapsed() < PATIENCE, "{why}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs a script of the control plane; answers what it printed.
#[track_caller]
fn script(name: &str, arguments: &[&str], environment: &[(&'static str, String)]) -> String {
    let mut command = Command::new(root().join("tests/engines/kubernetes").join(name));
    let done = command.args(arguments).env("QUIET", "1").envs(environment.iter().cloned()).output().unwrap();
    assert!(done.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

impl House {
    /// The one that tests share, with the CRDs.
    pub fn shared() -> Arc<Self> {
        static HOUSE: OnceLock<Arc<House>> = OnceLock::new();
        let house = HOUSE.get_or_init(|| {
            let house = Self::start(Vec::new(), None);
            house.install();
            Arc::new(house)
        });
        Arc::clone(house)
    }

    /// One of its own, without the CRDs: for what others would be disturbed by. One at a time.
    pub fn own() -> Arc<Self> {
        let files = tempfile::tempdir().unwrap();
        let environment = vec![
            ("LETHE_ENGINES_DIR", files.path().to_str().unwrap().to_owned()),
            ("KUBERNETES_PORT", "16543".to_owned()),
        ];
        Arc::new(Self::start(environment, Some(files)))
    }

    fn start(environment: Vec<(&'static str, String)>, own: Option<tempfile::TempDir>) -> Self {
        let facts = script("up", &[], &environment);
        let fact = |name: &str| {
            let line = facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            PathBuf::from(line.unwrap_or_else(|| panic!("{name} is not in {facts}")))
        };
        let (kubectl, admin, audit) = (fact("KUBECTL"), fact("LETHE_TEST_KUBECONFIG"), fact("AUDIT_LOG"));
        Self { environment, kubectl, admin, audit, own }
    }

    /// Installs the CRDs.
    pub fn install(&self) {
        self.kubectl(&["apply", "--server-side", "-f", root().join("crds").to_str().unwrap()], None);
        // Asked again, since `kubectl wait` fails at a CRD that has no conditions yet.
        let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"];
        awaited(|| self.tried(&wait, None));
    }

    /// Ends the API server alone.
    pub fn lose_the_api_server(&self) {
        script("down", &["api"], &self.environment);
    }

    /// Starts what does not run.
    pub fn bring_back(&self) {
        script("up", &[], &self.environment);
    }

    /// Address of the API server.
    pub fn server(&self) -> SocketAddr {
        let config = self.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"], None);
        config.strip_prefix("https://").unwrap().parse().unwrap()
    }

    /// kubectl, and the administrator's kubeconfig.
    pub fn program(&self) -> (&Path, &Path) {
        (&self.kubectl, &self.admin)
    }

    /// Runs kubectl as the administrator, whatever comes of it.
    pub fn run(&self, arguments: &[&str], input: Option<&str>) -> Output {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.admin).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.unwrap_or_default().as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// The same; answers what it printed, or what it said where it failed.
    pub fn tried(&self, arguments: &[&str], input: Option<&str>) -> Result<String, String> {
        let done = self.run(arguments, input);
        let said = || format!("kubectl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        if done.status.success() { Ok(String::from_utf8(done.stdout).unwrap()) } else { Err(said()) }
    }

    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str], input: Option<&str>) -> String {
        self.tried(arguments, input).unwrap_or_else(|why| panic!("{why}"))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.own.is_some() {
            script("down", &["--kill", "--wipe"], &self.environment);
        }
    }
}

/// The rights that the operator is installed with.
pub fn rights() -> String {
    std::fs::read_to_string(root().join("deploy/rbac.yaml")).unwrap()
}

/// A namespace, with an operator's account in it.
pub struct Room {
    pub house: Arc<House>,
    pub namespace: String,
    files: tempfile::TempDir,
}

impl Room {
    pub fn new() -> Self {
        Self::of(House::shared(), &rights())
    }

    /// One in a control plane, whose operator has these rights.
    pub fn of(house: Arc<House>, rights: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let room = Self { house, namespace, files: tempfile::tempdir().unwrap() };
        room.house.kubectl(&["create", "namespace", &room.namespace], None);
        // The ClusterRole of each is its own: tests may take rights away from one.
        let role = format!("lethe-operator-{}", room.namespace);
        let kept = rights
            .split("\n---\n")
            .filter(|part| !part.contains("kind: Namespace\n") && !part.contains("kind: ClusterRoleBinding\n"));
        let mut rights = kept.collect::<Vec<_>>().join("\n---\n").replace("lethe-system", &room.namespace).replace(
            "kind: ClusterRole\nmetadata:\n  name: lethe-operator\n",
            &format!("kind: ClusterRole\nmetadata:\n  name: {role}\n"),
        );
        // As in a cluster where the operator watches a few namespaces.
        rights.push_str(&format!(
            "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: watched, namespace: {0}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
             subjects: [{{kind: ServiceAccount, name: lethe-operator, namespace: {0}}}]\n",
            room.namespace
        ));
        room.house.kubectl(&["apply", "-f", "-"], Some(&rights));
        room
    }

    /// A kubeconfig of the operator's account, for the API server at this address.
    fn kubeconfig(&self, server: SocketAddr) -> PathBuf {
        let token = self.kubectl(&["create", "token", "lethe-operator", "--duration=2h"]);
        let mut config: Value = serde_yaml::from_str(&std::fs::read_to_string(&self.house.admin).unwrap()).unwrap();
        config["users"][0]["user"] = serde_json::json!({"token": token.trim()});
        config["clusters"][0]["cluster"]["server"] = format!("https://{server}").into();
        let path = self.files.path().join(format!("kubeconfig-{}", server.port()));
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Starts an operator that watches this namespace.
    pub fn operator(&self) -> Operator {
        self.operator_with(self.house.server(), &["--look-interval", "5", "--store-interval", "5"])
    }

    /// Starts one that meets the API server at this address, with these arguments.
    pub fn operator_with(&self, server: SocketAddr, arguments: &[&str]) -> Operator {
        let log =
            self.files.path().join(format!("operator-{:?}.log", Instant::now()).replace(['{', '}', ' ', ':'], ""));
        let child = Command::new(env!("CARGO_BIN_EXE_lethe-operator"))
            .args(["run", "--listen", "127.0.0.1:0", "--namespace", &self.namespace, "--operator-namespace"])
            .arg(&self.namespace)
            .args(arguments)
            .env("LETHE_WORKER_IMAGE", "localhost/lethe-worker:1")
            .env("KUBECONFIG", self.kubeconfig(server))
            .stderr(std::fs::File::create(&log).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Operator::new(child, log)
    }

    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let mut all = vec!["-n", self.namespace.as_str()];
        all.extend(arguments);
        self.house.kubectl(&all, None)
    }

    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        self.house.kubectl(&["-n", &self.namespace, "apply", "-f", "-"], Some(manifest));
    }

    /// An object; null where there is none.
    pub fn get(&self, what: &str) -> Value {
        let arguments = ["-n", &self.namespace, "get", what, "-o", "json", "--ignore-not-found"];
        let text = self.house.kubectl(&arguments, None);
        if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Waits until an object is as it should be; answers it.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        awaited(|| {
            let object = self.get(what);
            if is_so(&object) { Ok(object) } else { Err(format!("{what} is not as it should be: {object:#}")) }
        })
    }

    /// Waits until the condition `Ready` of an object has a reason.
    #[track_caller]
    pub fn until_ready_says(&self, what: &str, reason: &str) -> Value {
        self.until(what, |object| condition(object, "Ready")["reason"] == reason)
    }

    /// What the operator asked the API server for so far, as the audit log has it.
    pub fn asked(&self) -> Vec<Value> {
        let user = format!("system:serviceaccount:{}:lethe-operator", self.namespace);
        let log = std::fs::read_to_string(&self.house.audit).unwrap();
        log.lines().filter(|line| line.contains(&user)).filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What the operator wrote in this namespace so far, but for its Lease: verb, resource and name.
    pub fn writes(&self) -> Vec<String> {
        let writes = self.asked().into_iter().filter(|event| {
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
    pub fn refused(&self) -> Vec<Value> {
        self.asked().into_iter().filter(|event| event["responseStatus"]["code"] == 403).collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.house.run(&["delete", "namespace", &self.namespace, "--wait=false"], None);
        self.house.run(&["delete", "clusterrole", &format!("lethe-operator-{}", self.namespace)], None);
    }
}

/// A condition of an object; null where there is none.
pub fn condition(object: &Value, kind: &str) -> Value {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|condition| condition["type"] == kind).unwrap_or(Value::Null)
}
