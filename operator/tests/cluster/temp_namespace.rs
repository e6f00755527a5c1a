//! A namespace for one test, and the operators that watch it.

use std::{
    io::{Read, Seek, SeekFrom},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    control_plane::{ControlPlane, PATIENCE, block_on, repository, wait_for, wait_until},
    operator_process::OperatorProcess,
};

/// Returns the rights that the operator is installed with, as YAML.
pub fn deployed_rbac() -> String {
    std::fs::read_to_string(repository().join("deploy/rbac.yaml")).unwrap()
}

/// A namespace with an operator's ServiceAccount. It is deleted when the test ends.
pub struct TempNamespace {
    pub plane: Arc<ControlPlane>,
    pub name: String,
    files: tempfile::TempDir,
    /// Length of the audit log when the namespace was created.
    audit_start: u64,
}

impl TempNamespace {
    /// Creates one in the control plane that tests share.
    pub fn new() -> Self {
        Self::with_rbac(ControlPlane::shared(), &deployed_rbac())
    }

    /// Creates one whose operator has the rights of `rbac`.
    pub fn with_rbac(plane: Arc<ControlPlane>, rbac: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let audit_start = std::fs::metadata(plane.audit()).map_or(0, |file| file.len());
        let namespace = Self { plane, name, files: tempfile::tempdir().unwrap(), audit_start };
        let name = &namespace.name;
        namespace
            .plane
            .create(None, &json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}).to_string())
            .unwrap();
        // Each has its own ClusterRole, from which a test may take rights.
        let role = format!("lethe-operator-{name}");
        let kept = rbac
            .split("\n---\n")
            .filter(|part| !part.contains("kind: Namespace\n") && !part.contains("kind: ClusterRoleBinding\n"));
        let rbac = kept.collect::<Vec<_>>().join("\n---\n").replace("lethe-system", name).replace(
            "kind: ClusterRole\nmetadata:\n  name: lethe-operator\n",
            &format!("kind: ClusterRole\nmetadata:\n  name: {role}\n"),
        );
        namespace.apply(&rbac);
        // As in a cluster where the operator watches a few namespaces.
        namespace.bind_operator_of(name, "watched");
        namespace
    }

    /// Lets the operator of another namespace watch this one.
    pub fn bind_operator_of(&self, other: &str, binding: &str) {
        let group = "rbac.authorization.k8s.io";
        let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": binding},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": format!("lethe-operator-{other}")},
            "subjects": [{"kind": "ServiceAccount", "name": "lethe-operator", "namespace": other}]});
        self.apply(&binding.to_string());
    }

    /// Writes a kubeconfig of the operator's account for the API server at this address.
    fn kubeconfig(&self, server: SocketAddr) -> PathBuf {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.plane.client(), &self.name);
        let spec = TokenRequestSpec { expiration_seconds: Some(2 * 3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let token =
            block_on(accounts.create_token_request("lethe-operator", &PostParams::default(), &request)).unwrap();
        let mut config = self.plane.kubeconfig();
        config["users"][0]["user"] = json!({"token": token.status.unwrap().token});
        config["clusters"][0]["cluster"]["server"] = format!("https://{server}").into();
        let path = self.files.path().join(format!("kubeconfig-{}", server.port()));
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Starts an operator that watches this namespace and looks at every object each five seconds.
    pub fn operator(&self) -> OperatorProcess {
        self.operator_with(self.plane.server(), &["--look-interval", "5", "--store-interval", "5"])
    }

    /// Starts an operator that reaches the API server at this address, with these arguments.
    pub fn operator_with(&self, server: SocketAddr, arguments: &[&str]) -> OperatorProcess {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let log = self.files.path().join(format!("operator-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let child = Command::new(env!("CARGO_BIN_EXE_lethe-operator"))
            .args(["run", "--listen", "127.0.0.1:0", "--namespace", &self.name, "--operator-namespace"])
            .arg(&self.name)
            .args(arguments)
            .env("LETHE_WORKER_IMAGE", "localhost/lethe-worker:1")
            .env("KUBECONFIG", self.kubeconfig(server))
            .stderr(std::fs::File::create(&log).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        OperatorProcess::new(child, log)
    }

    /// Applies the objects of a manifest.
    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        self.try_apply(manifest).unwrap();
    }

    /// Applies the objects of a manifest, which the API server may refuse.
    pub fn try_apply(&self, manifest: &str) -> Result<(), kube::Error> {
        self.plane.apply(Some(&self.name), manifest)
    }

    /// Creates a Secret.
    #[track_caller]
    pub fn create_secret(&self, name: &str, kind: &str, values: &[(&str, &str)]) {
        let values: serde_json::Map<String, Value> =
            values.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind,
            "stringData": values});
        self.plane.create(Some(&self.name), &secret.to_string()).unwrap();
    }

    #[track_caller]
    fn api<'n>(&self, object: &'n str) -> (Api<DynamicObject>, &'n str) {
        let (kind, name) = object.split_once('/').unwrap();
        (self.plane.api(kind, Some(&self.name)), name)
    }

    /// Returns the object `kind/name`, or null if it does not exist.
    #[track_caller]
    pub fn get(&self, object: &str) -> Value {
        let (api, name) = self.api(object);
        serde_json::to_value(block_on(api.get_opt(name)).unwrap()).unwrap()
    }

    /// Returns the objects of a kind that have a label, or all for an empty `labels`.
    #[track_caller]
    pub fn list(&self, kind: &str, labels: &str) -> Vec<Value> {
        let api = self.plane.api(kind, Some(&self.name));
        let list = block_on(api.list(&ListParams::default().labels(labels))).unwrap();
        list.items.iter().map(|object| serde_json::to_value(object).unwrap()).collect()
    }

    /// Returns all objects of these kinds as one text.
    #[track_caller]
    pub fn dump(&self, kinds: &[&str]) -> String {
        kinds.iter().map(|kind| json!(self.list(kind, "")).to_string()).collect()
    }

    /// Waits for an Event with this reason.
    #[track_caller]
    pub fn wait_for_event(&self, reason: &str) {
        wait_until(|| {
            let events = self.list("event", "");
            let found = events.iter().any(|event| event["reason"] == reason);
            found.then_some(()).ok_or_else(|| format!("no Event {reason}: {:#}", json!(events)))
        });
    }

    /// Merges a patch into the object `kind/name`.
    #[track_caller]
    pub fn patch(&self, object: &str, patch: &Value) {
        let (api, name) = self.api(object);
        block_on(api.patch(name, &PatchParams::default(), &Patch::Merge(patch))).unwrap();
    }

    /// Merges a patch into the status of the object `kind/name`.
    #[track_caller]
    pub fn patch_status(&self, object: &str, patch: &Value) {
        let (api, name) = self.api(object);
        block_on(api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch))).unwrap();
    }

    /// Sets the replicas of the object `kind/name` by its scale subresource, as `kubectl scale`
    /// does.
    #[track_caller]
    pub fn scale(&self, object: &str, replicas: u32) {
        let (api, name) = self.api(object);
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        block_on(api.patch_scale(name, &PatchParams::default(), &patch)).unwrap();
    }

    /// Asks for a reconcile of the object `kind/name`.
    #[track_caller]
    pub fn request_reconcile(&self, object: &str, request: &str) {
        let annotations = json!({"lethe.dev/reconcile-requested-at": request});
        self.patch(object, &json!({"metadata": {"annotations": annotations}}));
    }

    /// Deletes the object `kind/name`, which another may create again at once.
    #[track_caller]
    pub fn delete_without_waiting(&self, object: &str) {
        let (kind, name) = object.split_once('/').unwrap();
        self.plane.delete(kind, Some(&self.name), name);
    }

    /// Deletes the object `kind/name` and waits until it is gone.
    #[track_caller]
    pub fn delete(&self, object: &str) {
        self.delete_without_waiting(object);
        self.wait_for(object, Value::is_null);
    }

    /// Deletes the namespace and waits until it is gone, for up to `patience`.
    #[track_caller]
    pub fn delete_whole(&self, patience: Duration) {
        self.plane.delete("namespace", None, &self.name);
        let api = self.plane.api("namespace", None);
        let gone = block_on(wait_for(api, &self.name, patience, |object: Option<&DynamicObject>| object.is_none()));
        assert!(gone.is_some(), "{} is not gone after {patience:?}", self.name);
    }

    /// Waits until the object `kind/name`, or null in its absence, meets a condition. Returns it.
    #[track_caller]
    pub fn wait_for(&self, object: &str, is_met: impl Fn(&Value) -> bool) -> Value {
        let (api, name) = self.api(object);
        let last = Mutex::new(Value::Null);
        let condition = |found: Option<&DynamicObject>| {
            let found = serde_json::to_value(found).unwrap();
            let is_met = is_met(&found);
            *last.lock().unwrap() = found;
            is_met
        };
        let met = block_on(wait_for(api, name, PATIENCE, condition)).is_some();
        let last = last.into_inner().unwrap();
        assert!(met, "{object} does not meet the condition after {PATIENCE:?}: {last:#}");
        last
    }

    /// Waits until the condition `Ready` of an object has a reason. Returns the object.
    #[track_caller]
    pub fn wait_for_reason(&self, object: &str, reason: &str) -> Value {
        self.wait_for(object, |object| condition(object, "Ready")["reason"] == reason)
    }

    /// Returns the operator's requests so far, from the audit log.
    pub fn requests(&self) -> Vec<Value> {
        // The log has each request when it has a later one.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let marker = format!("audit-marker-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.get(&format!("configmap/{marker}"));
        let log = wait_until(|| {
            let mut log = String::new();
            let mut file = std::fs::File::open(self.plane.audit()).unwrap();
            file.seek(SeekFrom::Start(self.audit_start)).unwrap();
            file.read_to_string(&mut log).unwrap();
            if log.contains(&format!("/namespaces/{}/configmaps/{marker}", self.name)) {
                Ok(log)
            } else {
                Err(format!("{marker} is not in the audit log"))
            }
        });
        let user = format!("system:serviceaccount:{}:lethe-operator", self.name);
        log.lines().filter(|line| line.contains(&user)).filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Returns the operator's writes in this namespace so far, except to its Lease: verb, resource
    /// and name.
    pub fn writes(&self) -> Vec<String> {
        let writes = self.requests().into_iter().filter(|event| {
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

    /// Returns the operator's requests that were refused for lack of a right.
    pub fn refused(&self) -> Vec<Value> {
        self.requests().into_iter().filter(|event| event["responseStatus"]["code"] == 403).collect()
    }
}

impl Drop for TempNamespace {
    fn drop(&mut self) {
        // A test that failed may have stopped the API server: what can't be deleted is left.
        for (kind, name) in [("namespace", self.name.clone()), ("clusterrole", format!("lethe-operator-{}", self.name))]
        {
            let _ = block_on(self.plane.api(kind, None).delete(&name, &DeleteParams::default()));
        }
    }
}

/// Returns a condition of an object, or null if it has none of this kind.
pub fn condition(object: &Value, kind: &str) -> Value {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|condition| condition["type"] == kind).unwrap_or(Value::Null)
}
