//! What is told of DataStores.

use std::{net::TcpListener, process::Command};

use serde_json::Value;

use crate::house::{Room, condition, root};

fn store(name: &str, connection: &str) -> String {
    format!(
        "apiVersion: lethe.dev/v1alpha1\nkind: DataStore\nmetadata: {{name: {name}}}\nspec: {{{connection}}}\n---\n"
    )
}

#[test]
fn a_store_that_can_t_be_reached_says_why_and_nothing_of_a_secret() {
    let room = Room::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let login = "credentials: {secretRef: {name: foreign}}";
    room.kubectl(&["create", "secret", "generic", "foreign", "--from-literal=password=zxqvbyjksecret"]);
    room.apply(
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
    let operator = room.operator();
    for (name, reason) in [
        ("nameless", "NameNotResolved"),
        ("closed", "Unreachable"),
        ("silent", "TimedOut"),
        ("gone", "SecretNotFound"),
        ("foreign", "SecretNotAllowed"),
        ("file", "NotForClusters"),
    ] {
        let told = room.until_ready_says(&format!("datastore/{name}"), reason);
        assert_eq!(condition(&told, "Ready")["status"], "False");
        assert_eq!(told["status"]["observedGeneration"], told["metadata"]["generation"]);
    }
    assert!(!operator.said().contains("zxqvbyjksecret"));
    assert!(!room.kubectl(&["get", "datastores,events", "-o", "json"]).contains("zxqvbyjksecret"));
    assert_eq!(room.refused(), Vec::<Value>::new());
}

#[test]
fn a_store_is_asked_again_at_once_when_somebody_asks_for_it() {
    let room = Room::new();
    room.apply(&store("closed", "kafka: {bootstrapServers: ['127.0.0.1:1']}"));
    let _operator = room.operator();
    room.until_ready_says("datastore/closed", "Unreachable");
    room.kubectl(&["annotate", "datastore", "closed", "lethe.dev/reconcile-requested-at=now"]);
    room.until("datastore/closed", |store| store["status"]["lastHandledReconcileAt"] == "now");
}

/// What a script of `tests/engines` tells: `name=value`.
fn engine(script: &str, environment: &[(&str, &str)]) -> impl Fn(&str) -> String {
    let path = root().join("tests/engines").join(script);
    let done = Command::new(path).env("QUIET", "1").envs(environment.iter().copied()).output().unwrap();
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    let facts = String::from_utf8(done.stdout).unwrap();
    move |name| {
        let fact = facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        fact.unwrap_or_else(|| panic!("{name} is not in {facts}")).to_owned()
    }
}

/// A server of a test's own, ended with it.
struct OwnMongo(tempfile::TempDir);

impl Drop for OwnMongo {
    fn drop(&mut self) {
        let down = root().join("tests/engines/mongo/down");
        let done = Command::new(down).args(["--kill", "--wipe"]).env("LETHE_ENGINES_DIR", self.0.path()).output();
        assert!(done.unwrap().status.success());
    }
}

#[test]
fn real_stores_tell_their_version_and_refuse_logins_and_certificates_in_words() {
    let room = Room::new();
    let shared = engine("up", &[]);
    let own = OwnMongo(tempfile::tempdir().unwrap());
    let folder = own.0.path().to_str().unwrap();
    let secure = [("LETHE_ENGINES_DIR", folder), ("MONGO_PORT", "29217"), ("MONGO_AUTH", "1"), ("MONGO_TLS", "1")];
    let mongo = engine("mongo/up", &secure)("LETHE_TEST_MONGODB").replace("127.0.0.1", "localhost");
    let ca = format!("--from-file=ca.crt={}/ca.pem", shared("TLS_DIR"));
    for (name, values) in [
        ("right", vec!["--from-literal=username=app", "--from-literal=password=app-secret"]),
        ("wrong", vec!["--from-literal=username=app", "--from-literal=password=zxqvbyjkwrong"]),
        ("authority", vec![ca.as_str()]),
    ] {
        room.kubectl(&[&["create", "secret", "generic", name, "--type=lethe.dev/store"], &values[..]].concat());
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
    room.apply(&all.iter().map(|(name, connection, _)| store(name, connection)).collect::<String>());
    let operator = room.operator();
    for (name, _, reason) in &all {
        let told = room.until_ready_says(&format!("datastore/{name}"), reason);
        let is_well = *reason == "Reachable";
        assert_eq!(condition(&told, "Ready")["status"], if is_well { "True" } else { "False" }, "{name}");
        assert_eq!(told["status"]["version"].is_string(), is_well && *name != "kafka", "{name}: {told:#}");
    }
    assert_eq!(room.get("datastore/kafka")["status"]["capabilities"][0], "brokers=1");
    let said = operator.said() + &room.kubectl(&["get", "datastores,events", "-o", "json"]);
    assert!(!said.contains("zxqvbyjk") && !said.contains("app-secret"));
}
