//! What is told of DataStores.

use std::net::TcpListener;

use crate::house::{Room, condition};

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
    assert_eq!(room.refused(), Vec::<String>::new());
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
