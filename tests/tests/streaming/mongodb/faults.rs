//! Servers that stop, that require a password, and that show another name. Each has an error of its
//! own, and no message holds a value. These tests start private servers.

use lethe_core::outcome::Outcome;
use lethe_crds::profile_pipeline::Records::{Append, Latest};
use lethe_stores::{
    StoreError,
    open::{Login, TlsOptions},
};
use lethe_tests::engines::PrivateEngine;

use super::*;
use crate::proxy::Proxy;

fn login(password: &str) -> Login {
    Login { username: "app".to_owned(), password: password.to_owned().into() }
}

fn options(records: lethe_crds::profile_pipeline::Records) -> CollectionOptions {
    let sink = MongodbSink {
        store_ref: serde_json::from_value(serde_json::json!({"name": "docs"})).unwrap(),
        database: "shop".to_owned(),
        collection: "people".to_owned(),
        manage: Some(Manage::Create),
    };
    CollectionOptions { sink, records, max_age: None }
}

async fn refusal(connection: &MongodbConnection) -> StoreError {
    MongodbStore::connect(connection).await.err().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_waited_for_and_what_it_acknowledged_is_stored() {
    let server = PrivateEngine::start("mongo", &[("MONGO_SYNC", "1")]);
    let store = MongodbStore::connect(&connection(&server.at("127.0.0.1"))).await.unwrap();
    let mut sink = CollectionSink::open(Arc::clone(&store), options(Append), Access::Create).await.unwrap();
    let first: Vec<Event> = (0..50).map(|n| event(n, "a", 1000)).collect();
    write(&mut sink, &first).await;
    server.down(&["--kill"]);
    let started = std::time::Instant::now();
    let second = batch(&[event(60, "b", 1000)]);
    let error = sink.write(&second).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    server.up();
    let mut answers = Err(error);
    for _ in 0..5 {
        answers = sink.write(&second).await;
        if answers.is_ok() {
            break;
        }
    }
    assert_eq!(answers.unwrap(), [Ok(Outcome::Delivered)]);
    assert!(write(&mut sink, &first).await.iter().all(|answer| *answer == Ok(Outcome::Stale)));
}

#[tokio::test]
async fn an_absent_server_is_reported_within_seconds() {
    let started = std::time::Instant::now();
    let error = refusal(&connection("127.0.0.1:1")).await;
    assert!(error.is_transient() && error.to_string().contains("hosts"), "{error}");
    assert!(started.elapsed().as_secs() < 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_about_login_and_tls_has_its_own_error() {
    let server = PrivateEngine::start("mongo", &[("MONGO_AUTH", "1"), ("MONGO_TLS", "1")]);
    let certificates = server.facts.tls();
    let read = |name: &str| std::fs::read(certificates.join(name)).unwrap();
    let tls = || Some(TlsOptions { ca: Some(read("ca.pem")), client: None });
    let right =
        MongodbConnection { tls: tls(), login: Some(login("app-secret")), ..connection(&server.at("localhost")) };

    let store = MongodbStore::connect(&right).await.unwrap();
    let mut sink = CollectionSink::open(store, options(Latest), Access::Create).await.unwrap();
    assert_eq!(write(&mut sink, &[event(1, "a", 1000)]).await, [Ok(Outcome::Delivered)]);
    let with_certificate = MongodbConnection {
        tls: Some(TlsOptions { client: Some((read("client.crt"), read("client.key").into())), ..tls().unwrap() }),
        ..right.clone()
    };
    MongodbStore::connect(&with_certificate).await.unwrap();

    let _proxy = Proxy::under([127, 0, 0, 2].into(), server.port);
    let of = |change: &dyn Fn(&mut MongodbConnection)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        wrong
    };
    let cases = [
        (of(&|wrong| wrong.login = Some(login("hunter2"))), "secretRef"),
        (of(&|wrong| wrong.auth_source = "shop".to_owned()), "authSource"),
        (of(&|wrong| wrong.hosts = connection(&server.at("127.0.0.2")).hosts), "another name"),
        (of(&|wrong| wrong.tls = Some(TlsOptions { ca: None, client: None })), "caSecretRef"),
    ];
    for (wrong, clue) in cases {
        let error = refusal(&wrong).await;
        let text = error.to_string();
        assert!(!error.is_transient() && text.contains(clue), "{clue}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let without_login = of(&|wrong| wrong.login = None);
    let error = match MongodbStore::connect(&without_login).await {
        Err(error) => error,
        Ok(store) => CollectionSink::open(store, options(Latest), Access::Create).await.err().unwrap(),
    };
    assert!(!error.is_transient(), "{error}");
    let plain = of(&|wrong| wrong.tls = None);
    assert!(refusal(&plain).await.is_transient(), "a server that hangs up may be starting");
}

#[tokio::test]
async fn tls_to_a_server_without_it_is_reported() {
    let tls = Some(TlsOptions { ca: None, client: None });
    let error = refusal(&MongodbConnection { tls, ..connection(&address()) }).await;
    // Which of the two depends on whether the server responds to what it cannot parse.
    let text = error.to_string();
    assert!(text.contains("speaks no TLS") || text.contains("mongodb.tls: it belongs where"), "{text}");
}
