//! Nodes that stop, that require a password, a certificate or a right, and that show another name.
//! Each has an error of its own with what to do, and no message holds a value. They share one
//! private node.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lethe_core::outcome::Outcome::Delivered;
use lethe_crds::profile_pipeline::Records::Latest;
use lethe_stores::{
    StoreError,
    cassandra::CassandraVault,
    open::{Login, TlsOptions},
};
use lethe_tests::engines::PrivateEngine;

use super::*;
use crate::proxy::{Fault, Proxy};

/// A node with passwords, rights and TLS from both sides.
fn start() -> PrivateEngine {
    PrivateEngine::start("cassandra", &[("CASSANDRA_AUTH", "1"), ("CASSANDRA_TLS", "mutual")])
}

/// Runs statements as the administrator. Returns the output.
fn administer(node: &PrivateEngine, cql: &str) -> String {
    node.tool(&["cqlsh", "-e", cql])
}

fn login(password: &str) -> Login {
    Login { username: "app".to_owned(), password: password.to_owned().into() }
}

async fn refusal(connection: &CassandraConnection) -> StoreError {
    CassandraStore::connect(connection).await.err().unwrap()
}

/// Returns the first error that is not transient. A node that refuses a certificate closes the
/// connection at once, so its alert may be lost; another try receives it.
async fn lasting_refusal(connection: &CassandraConnection) -> StoreError {
    let mut tries = 0;
    loop {
        let error = refusal(connection).await;
        tries += 1;
        if !error.is_transient() || tries == 20 {
            return error;
        }
    }
}

fn assert_refused(error: &StoreError, clue: &str) {
    let text = error.to_string();
    assert!(!error.is_transient() && text.contains(clue), "{clue}: {error:?}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_about_login_tls_and_rights_is_reported_and_a_stopped_node_is_waited_for() {
    // The keyspace that tests share is not made again and again while this one runs.
    let fixture = CassandraFixture::new().await;
    let node = tokio::task::spawn_blocking(start).await.unwrap();
    let certificates = node.facts.tls();
    let read = |name: &str| std::fs::read(certificates.join(name)).unwrap();
    let client = |name: &str| Some((read(&format!("{name}.crt")), read(&format!("{name}.key")).into()));
    administer(&node, "CREATE ROLE app WITH PASSWORD = 'app-secret' AND LOGIN = true");
    let right = CassandraConnection {
        contact_points: vec![node.at("localhost")],
        tls: Some(TlsOptions { ca: Some(read("ca.pem")), client: client("client") }),
        login: Some(login("app-secret")),
        ..connection("")
    };
    wrong_connections(&node, &right, client("stranger")).await;
    let mut sink = missing_rights(&node, &right, &fixture).await;
    a_stopped_node(&node, &mut sink, &fixture).await;
}

async fn wrong_connections(
    node: &PrivateEngine,
    right: &CassandraConnection,
    stranger: Option<(Vec<u8>, lethe_core::sensitive::Sensitive<Vec<u8>>)>,
) {
    let of = |change: &dyn Fn(&mut CassandraConnection, &mut TlsOptions)| {
        let (mut wrong, mut tls) = (right.clone(), right.tls.clone().unwrap());
        change(&mut wrong, &mut tls);
        CassandraConnection { tls: wrong.tls.is_some().then_some(tls), ..wrong }
    };
    CassandraStore::connect(&CassandraConnection { contact_points: vec![node.at("127.0.0.1")], ..right.clone() })
        .await
        .unwrap();
    let _proxy = Proxy::under([127, 0, 0, 2].into(), node.port);
    for (wrong, clue) in [
        (of(&|wrong, _| wrong.login = Some(login("hunter2"))), "keys username and password of the Secret"),
        (of(&|wrong, _| wrong.login = None), "name a Secret with the keys username and password"),
        (of(&|wrong, _| wrong.contact_points = vec![node.at("127.0.0.2")]), "name a host that the certificate names"),
        (of(&|_, tls| tls.ca = stranger.as_ref().map(|(certificate, _)| certificate.clone())), "tls.caSecretRef"),
        (of(&|_, tls| tls.client = None), "tls.clientSecretRef"),
        (of(&|_, tls| tls.client.clone_from(&stranger)), "tls.clientSecretRef"),
    ] {
        assert_refused(&lasting_refusal(&wrong).await, clue);
    }
    let plain = refusal(&of(&|wrong, _| wrong.tls = None)).await;
    assert!(plain.is_transient() && plain.to_string().contains("TLS"), "a node that hangs up may be starting: {plain}");
}

/// A missing right is reported before anything is written, with the statement that grants it.
async fn missing_rights(
    node: &PrivateEngine,
    right: &CassandraConnection,
    fixture: &CassandraFixture,
) -> CassandraSink {
    let store = CassandraStore::connect(right).await.unwrap();
    let table = CassandraTable { sink: declared("shop", "people", &[]), records: Latest, max_age: Some(AGE) };
    let open = || CassandraSink::open(Arc::clone(&store), table.clone(), Access::Create);
    let mut granted = Vec::new();
    let began = Instant::now();
    let mut sink = loop {
        let error = match open().await {
            Ok(sink) => break sink,
            Err(error) => error,
        };
        assert_refused(&error, "let an administrator run: GRANT");
        let text = error.to_string();
        let grant = text.split("run: ").nth(1).unwrap().replace("<the user>", "app");
        if !granted.contains(&grant) {
            administer(node, &grant);
            granted.push(grant);
        }
        // A node believes what it knows of rights for a second.
        assert!(began.elapsed() < Duration::from_secs(60), "{text}");
    };
    assert_eq!(granted, ["GRANT CREATE ON ALL KEYSPACES TO app"], "who makes a table may write to it");
    assert_eq!(fixture.write(&mut sink, &[event(1, "a", 1000)]).await, [Ok(Delivered)]);

    administer(node, "REVOKE ALL ON TABLE shop.people FROM app; REVOKE ALL ON KEYSPACE shop FROM app");
    let began = Instant::now();
    let mut newer = (2..).map(|n| event(1, "a", n * 1000));
    let error = loop {
        assert!(began.elapsed() < Duration::from_secs(10), "rights that were taken still count");
        if let Err(error) = sink.write(&batch(fixture, &[newer.next().unwrap()])).await {
            break error;
        }
    };
    assert_refused(&error, "GRANT MODIFY ON table shop.people TO <the user>");
    assert_refused(&open().await.err().unwrap(), "GRANT MODIFY ON table shop.people TO <the user>");
    administer(node, "GRANT MODIFY ON table shop.people TO app");
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(10), "a right that was granted doesn't count");
        if let Ok(sink) = open().await {
            return sink;
        }
    }
}

/// Stopped, not killed: one node alone, whose commit log is synced now and then, loses its last
/// moments when it is.
async fn a_stopped_node(node: &PrivateEngine, sink: &mut CassandraSink, fixture: &CassandraFixture) {
    let events: Vec<Event> = (0..9).map(|who| event(who, "b", 2_000_000)).collect();
    assert!(fixture.write(sink, &events).await.iter().all(Result::is_ok));
    node.down(&[]);
    let began = Instant::now();
    let late = batch(fixture, &[event(9, "c", 3000)]);
    let error = sink.write(&late).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    node.up();
    let began = Instant::now();
    while let Err(error) = sink.write(&late).await {
        assert!(error.is_transient() && began.elapsed() < Duration::from_secs(30), "{error}");
    }
    let counted = administer(node, "SELECT count(*) FROM shop.people");
    assert!(counted.lines().any(|line| line.trim() == "10"), "{counted}");
}

#[tokio::test]
async fn an_absent_node_is_reported_within_seconds() {
    let began = Instant::now();
    let error = refusal(&connection("127.0.0.1:1")).await;
    assert!(error.is_transient() && error.to_string().contains("nothing listens there"), "{error}");
    let error = refusal(&connection("nowhere.invalid:9042")).await;
    assert!(error.is_transient() && error.to_string().contains("contactPoints"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn tls_to_a_node_that_speaks_none_is_a_mismatch() {
    let tls = Some(TlsOptions { ca: None, client: None });
    let error = refusal(&CassandraConnection { tls, ..connection(&address()) }).await;
    assert!(error.to_string().contains("doesn't speak TLS"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_was_away_whole_is_found_again_at_once() {
    let address = address();
    let proxy = Proxy::to(address.rsplit_once(':').unwrap().1.parse().unwrap());
    let store = CassandraStore::connect(&connection(&format!("127.0.0.1:{}", proxy.port()))).await.unwrap();
    let look = || CassandraVault::open(Arc::clone(&store), "absent_keyspace", Access::ReadOnly);
    assert!(look().await.unwrap().is_none());

    proxy.set(Fault::Refuse);
    // By then the driver alone would let eight seconds pass before it tries to connect again.
    let until = Instant::now() + Duration::from_secs(14);
    while Instant::now() < until {
        assert!(look().await.is_err_and(|error| error.is_transient()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    proxy.set(Fault::None);
    let back = Instant::now();
    while look().await.is_err() {
        assert!(back.elapsed() < Duration::from_secs(4), "it is not connected again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
