//! What the status of a DataStore reports.

use std::{net::TcpListener, process::Command};

use serde_json::Value;

use crate::{
    control_plane::repository,
    temp_namespace::{TempNamespace, condition},
};

fn store(name: &str, connection: &str) -> String {
    format!(
        "apiVersion: lethe.dev/v1alpha1\nkind: DataStore\nmetadata: {{name: {name}}}\nspec: {{{connection}}}\n---\n"
    )
}

#[test]
fn the_status_of_an_unreachable_store_says_why_and_shows_nothing_of_a_secret() {
    let namespace = TempNamespace::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let login = "credentials: {secretRef: {name: foreign}}";
    namespace.create_secret("foreign", "Opaque", &[("password", "zxqvbyjksecret")]);
    namespace.apply(
        &[
            store("nameless", "mongodb: {hosts: ['nowhere.invalid:27017']}"),
            store("closed", "kafka: {bootstrapServers: ['127.0.0.1:1']}"),
            store("silent", &format!("cassandra: {{contactPoints: ['{silent}'], localDatacenter: x}}")),
            store("gone", "mongodb: {hosts: ['127.0.0.1:1'], credentials: {secretRef: {name: gone}}}"),
            store("foreign", &format!("mongodb: {{hosts: ['127.0.0.1:1'], {login}}}")),
            store("file", "embedded: {path: lethe.db}"),
        ]
        .concat(),
    );
    let operator = namespace.operator();
    for (name, reason) in [
        ("nameless", "NameNotResolved"),
        ("closed", "Unreachable"),
        ("silent", "TimedOut"),
        ("gone", "SecretNotFound"),
        ("foreign", "SecretNotAllowed"),
        ("file", "NotForClusters"),
    ] {
        let store = namespace.wait_for_reason(&format!("datastore/{name}"), reason);
        assert_eq!(condition(&store, "Ready")["status"], "False");
        assert_eq!(store["status"]["observedGeneration"], store["metadata"]["generation"]);
    }
    assert!(!operator.log().contains("zxqvbyjksecret"));
    assert!(!namespace.dump(&["datastore", "event"]).contains("zxqvbyjksecret"));
    assert_eq!(namespace.refused(), Vec::<Value>::new());
}

#[test]
fn a_store_is_probed_at_once_on_request() {
    let namespace = TempNamespace::new();
    namespace.apply(&store("closed", "kafka: {bootstrapServers: ['127.0.0.1:1']}"));
    let _operator = namespace.operator();
    namespace.wait_for_reason("datastore/closed", "Unreachable");
    namespace.request_reconcile("datastore/closed", "now");
    namespace.wait_for("datastore/closed", |store| store["status"]["lastHandledReconcileAt"] == "now");
}

/// Runs a script of `tests/engines`. Returns the facts that it prints as `name=value`.
fn engine(script: &str, environment: &[(&str, &str)]) -> impl Fn(&str) -> String {
    let path = repository().join("tests/engines").join(script);
    let done = Command::new(path).env("QUIET", "1").envs(environment.iter().copied()).output().unwrap();
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    let facts = String::from_utf8(done.stdout).unwrap();
    move |name| {
        let fact = facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        fact.unwrap_or_else(|| panic!("{name} is not in {facts}")).to_owned()
    }
}

/// The folder of a private MongoDB server, which is stopped and wiped when this is dropped.
struct PrivateMongo(tempfile::TempDir);

impl Drop for PrivateMongo {
    fn drop(&mut self) {
        let down = repository().join("tests/engines/mongo/down");
        let done = Command::new(down).args(["--kill", "--wipe"]).env("LETHE_ENGINES_DIR", self.0.path()).output();
        assert!(done.unwrap().status.success());
    }
}

#[test]
fn real_stores_report_their_version_and_refused_logins_and_certificates_are_explained() {
    let namespace = TempNamespace::new();
    let shared = engine("up", &[]);
    let private = PrivateMongo(tempfile::tempdir().unwrap());
    let folder = private.0.path().to_str().unwrap();
    let secure = [("LETHE_ENGINES_DIR", folder), ("MONGO_PORT", "29217"), ("MONGO_AUTH", "1"), ("MONGO_TLS", "1")];
    let mongo = engine("mongo/up", &secure)("LETHE_TEST_MONGODB").replace("127.0.0.1", "localhost");
    let ca = std::fs::read_to_string(format!("{}/ca.pem", shared("TLS_DIR"))).unwrap();
    for (name, values) in [
        ("right", &[("username", "app"), ("password", "app-secret")][..]),
        ("wrong", &[("username", "app"), ("password", "zxqvbyjkwrong")]),
        ("authority", &[("ca.crt", &*ca)]),
    ] {
        namespace.create_secret(name, "lethe.dev/store", values);
    }
    let kafka = |tls: &str, login: &str| {
        let server = shared("KAFKA_SASL_SSL").replace("127.0.0.1", "localhost");
        let login = format!("credentials: {{mechanism: ScramSha512, secretRef: {{name: {login}}}}}");
        format!("kafka: {{bootstrapServers: ['{server}'], tls: {{{tls}}}, {login}}}")
    };
    let mongodb = |tls: &str, login: &str| {
        format!("mongodb: {{hosts: ['{mongo}'], tls: {{{tls}}}, credentials: {{secretRef: {{name: {login}}}}}}}")
    };
    let ours = "caSecretRef: {name: authority, key: ca.crt}";
    let cassandra = shared("LETHE_TEST_CASSANDRA");
    let all = [
        ("kafka", kafka(ours, "right"), "Reachable"),
        ("kafka-login", kafka(ours, "wrong"), "AuthenticationFailed"),
        ("kafka-tls", kafka("", "right"), "TlsFailed"),
        ("mongodb", mongodb(ours, "right"), "Reachable"),
        ("mongodb-login", mongodb(ours, "wrong"), "AuthenticationFailed"),
        ("mongodb-tls", mongodb("", "right"), "TlsFailed"),
        (
            "cassandra",
            format!("cassandra: {{contactPoints: ['{cassandra}'], localDatacenter: datacenter1}}"),
            "Reachable",
        ),
        ("not-kafka", format!("kafka: {{bootstrapServers: ['{cassandra}']}}"), "TimedOut"),
    ];
    namespace.apply(&all.iter().map(|(name, connection, _)| store(name, connection)).collect::<String>());
    let operator = namespace.operator();
    for (name, _, reason) in &all {
        let store = namespace.wait_for_reason(&format!("datastore/{name}"), reason);
        let is_reachable = *reason == "Reachable";
        assert_eq!(condition(&store, "Ready")["status"], if is_reachable { "True" } else { "False" }, "{name}");
        assert_eq!(store["status"]["version"].is_string(), is_reachable && *name != "kafka", "{name}: {store:#}");
    }
    assert_eq!(namespace.get("datastore/kafka")["status"]["capabilities"][0], "brokers=1");
    let shown = operator.log() + &namespace.dump(&["datastore", "event"]);
    assert!(!shown.contains("zxqvbyjk") && !shown.contains("app-secret"));
}
