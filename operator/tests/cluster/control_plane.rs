//! A control plane without a node, as `tests/engines/kubernetes/up` starts it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, LazyLock, OnceLock},
    time::{Duration, Instant},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, ValidationDirective},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        conditions::is_crd_established,
        wait::{Condition, await_condition},
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::kinds::kind;

/// The most that a test waits for something that takes a moment.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two tries where nothing can be watched.
const RETRY: Duration = Duration::from_millis(50);

/// A control plane, and a client of its administrator.
pub struct ControlPlane {
    environment: Vec<(&'static str, String)>,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    audit: PathBuf,
    client: Client,
    /// Folder with the data of a private control plane.
    private: Option<tempfile::TempDir>,
}

/// Calls `attempt` until it returns `Ok`; panics with its error after [`PATIENCE`].
#[track_caller]
pub fn wait_until<T>(mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(result) => return result,
            Err(error) => assert!(started.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::sleep(RETRY);
    }
}

/// Runs a future on the runtime that all clients of these tests share.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    RUNTIME.block_on(future)
}

/// Waits until an object meets a condition, for up to `patience`. Returns the object, or `None` if
/// the condition holds for its absence. A watch that fails, as it does while the API server is
/// away, is started again.
pub async fn wait_for<K>(api: Api<K>, name: &str, patience: Duration, condition: impl Condition<K>) -> Option<Option<K>>
where
    K: Clone + std::fmt::Debug + Send + DeserializeOwned + kube::Resource + 'static,
{
    let attempts = async {
        loop {
            let by_reference = |object: Option<&K>| condition.matches_object(object);
            match await_condition(api.clone(), name, by_reference).await {
                Ok(object) => return object,
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    };
    tokio::time::timeout(patience, attempts).await.ok()
}

/// Root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs a script of the control plane. Returns what it prints.
#[track_caller]
fn script(name: &str, arguments: &[&str], environment: &[(&'static str, String)]) -> String {
    let mut command = Command::new(repository().join("tests/engines/kubernetes").join(name));
    let done = command.args(arguments).env("QUIET", "1").envs(environment.iter().cloned()).output().unwrap();
    assert!(done.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

impl ControlPlane {
    /// Returns the control plane that tests share, with the CRDs installed.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<ControlPlane>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let plane = Self::start(Vec::new(), None);
            plane.install_crds();
            Arc::new(plane)
        });
        Arc::clone(shared)
    }

    /// Starts a private control plane without the CRDs, for a test that would disturb others. Only
    /// one can run at a time.
    pub fn private() -> Arc<Self> {
        let files = tempfile::tempdir().unwrap();
        let environment = vec![
            ("LETHE_ENGINES_DIR", files.path().to_str().unwrap().to_owned()),
            ("KUBERNETES_PORT", "16543".to_owned()),
        ];
        Arc::new(Self::start(environment, Some(files)))
    }

    fn start(environment: Vec<(&'static str, String)>, private: Option<tempfile::TempDir>) -> Self {
        let facts = script("up", &[], &environment);
        let fact = |name: &str| {
            let line = facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            PathBuf::from(line.unwrap_or_else(|| panic!("{name} is not in {facts}")))
        };
        let (kubectl, kubeconfig, audit) = (fact("KUBECTL"), fact("LETHE_TEST_KUBECONFIG"), fact("AUDIT_LOG"));
        let client = block_on(async {
            let kubeconfig = Kubeconfig::read_from(&kubeconfig).unwrap();
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        Self { environment, kubectl, kubeconfig, audit, client, private }
    }

    /// Installs the CRDs and waits until they are established.
    pub fn install_crds(&self) {
        for file in ["datastores", "profilepipelines"] {
            let text = std::fs::read_to_string(repository().join(format!("crds/{file}.yaml"))).unwrap();
            self.apply(None, &text).unwrap();
            let api: Api<CustomResourceDefinition> = Api::all(self.client());
            let name = format!("{file}.lethe.dev");
            let established = block_on(wait_for(api, &name, PATIENCE, is_crd_established()));
            assert!(established.is_some(), "{name} is not established");
        }
    }

    /// Stops the API server alone.
    pub fn stop_api_server(&self) {
        script("down", &["api"], &self.environment);
    }

    /// Starts what was stopped, and waits until it serves.
    pub fn start_stopped(&self) {
        script("up", &[], &self.environment);
    }

    /// Returns a client with the administrator's rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Returns the kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> Value {
        serde_yaml::from_str(&std::fs::read_to_string(&self.kubeconfig).unwrap()).unwrap()
    }

    /// Returns the address of the API server.
    pub fn server(&self) -> SocketAddr {
        let kubeconfig = self.kubeconfig();
        let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
        server.strip_prefix("https://").unwrap().parse().unwrap()
    }

    /// Returns the path of the audit log: a JSON object per line and request.
    pub fn audit(&self) -> &Path {
        &self.audit
    }

    /// Runs kubectl as the administrator: for what is kubectl's own, such as how it reads YAML.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Returns the objects of a kind, in a namespace where the kind has them.
    #[track_caller]
    pub fn api(&self, kind_name: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let kind = kind(kind_name);
        match namespace.filter(|_| kind.is_namespaced) {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &kind.resource),
            None => Api::all_with(self.client(), &kind.resource),
        }
    }

    /// Applies the objects of a manifest as `kubectl apply --server-side` does, in the namespace
    /// that each names, else in this one. Fails with the first refusal.
    pub fn apply(&self, namespace: Option<&str>, manifest: &str) -> Result<(), kube::Error> {
        let params = PatchParams {
            force: true,
            field_manager: Some("kubectl".to_owned()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        for object in documents(manifest) {
            let (api, name) = self.api_of(&object, namespace);
            block_on(api.patch(&name, &params, &Patch::Apply(&object)))?;
        }
        Ok(())
    }

    /// Creates the objects of a manifest, like [`Self::apply`].
    pub fn create(&self, namespace: Option<&str>, manifest: &str) -> Result<(), kube::Error> {
        for object in documents(manifest) {
            let (api, _) = self.api_of(&object, namespace);
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            block_on(api.create(&PostParams::default(), &object))?;
        }
        Ok(())
    }

    fn api_of(&self, object: &Value, namespace: Option<&str>) -> (Api<DynamicObject>, String) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let own = text(&object["metadata"]["namespace"]);
        let api = self.api(&text(&object["kind"]).unwrap(), own.as_deref().or(namespace));
        (api, text(&object["metadata"]["name"]).unwrap())
    }

    /// Deletes an object without waiting for its end. One that is absent is not an error.
    pub fn delete(&self, kind_name: &str, namespace: Option<&str>, name: &str) {
        match block_on(self.api(kind_name, namespace).delete(name, &DeleteParams::default())) {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            outcome => drop(outcome.unwrap()),
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if self.private.is_some() {
            script("down", &["--kill", "--wipe"], &self.environment);
        }
    }
}

/// Returns the documents of a YAML text that hold something.
pub fn documents(manifest: &str) -> Vec<Value> {
    let all = serde_yaml::Deserializer::from_str(manifest).map(|document| Value::deserialize(document).unwrap());
    all.filter(|document| !document.is_null()).collect()
}
