//! `lint --live` and `run` report what is wrong with a store, where, and how to fix it. No report
//! contains a password.

use std::fs;

use lethe_tests::{
    engines::{Engines, PrivateEngine, engines},
    process::{Ended, finish},
};

use crate::{pipeline_fixture::PipelineFixture, proxy::Proxy, topics::Topics};

/// Kafka with a listener for TLS and a login: the shared one, if it has such a listener.
struct SecuredKafka {
    private: Option<PrivateEngine>,
}

impl SecuredKafka {
    fn start() -> Self {
        let shared = engines().get("KAFKA_SASL_SSL").is_some();
        Self { private: (!shared).then(|| PrivateEngine::start("kafka", &[])) }
    }

    fn facts(&self) -> &Engines {
        match &self.private {
            Some(private) => &private.facts,
            None => engines(),
        }
    }

    fn port(&self) -> u16 {
        let address = self.facts().get("KAFKA_SASL_SSL").unwrap();
        address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Returns the topics of its cluster by the plain listener.
    fn topics(&self) -> Topics {
        Topics::at(self.facts().kafka())
    }

    /// Sets the DataStore of Kafka to it, at this host and with this login.
    fn configure(&self, fixture: &PipelineFixture, host: &str, mechanism: &str, user: &str, password: &str) {
        let authority = fs::read_to_string(self.facts().tls().join("ca.pem")).unwrap();
        let text = fs::read_to_string(fixture.folder.file("store.yaml")).unwrap();
        let others = text.rsplitn(3, "---\n").take(2).collect::<Vec<_>>().join("---\n");
        let kafka = serde_json::json!({
            "apiVersion": "lethe.dev/v1alpha1", "kind": "DataStore", "metadata": {"name": "events"},
            "spec": {"kafka": {
                "bootstrapServers": [format!("{host}:{}", self.port())],
                "tls": {"caSecretRef": {"name": "kafka", "key": "ca.pem"}},
                "credentials": {"mechanism": mechanism, "secretRef": {"name": "kafka"}},
            }},
        });
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "lethe.dev/store", "metadata": {"name": "kafka"},
            "stringData": {"username": user, "password": password, "ca.pem": authority},
        });
        fixture.folder.write("store.yaml", format!("{kafka}\n---\n{secret}\n---\n{others}"));
    }
}

/// Runs `lint --live` and `run`. Fails the test unless both report all of `clues`, or if one shows
/// a password.
#[track_caller]
fn assert_both_report(fixture: &PipelineFixture, clues: &[&str]) {
    // At the same time: both wait for servers that don't answer.
    let (lint, run) = std::thread::scope(|scope| {
        let lint = scope.spawn(|| finish(&mut fixture.folder.worker(&["lint", "--live", "-f", "."])));
        let run = finish(&mut fixture.folder.worker(&["run", "-f", ".", "--until-end", "--live", "--join", "--quiet"]));
        (lint.join().unwrap(), run)
    });
    assert_eq!(lint.code, Some(3), "{}{}", lint.out(), lint.err());
    assert_eq!(run.code, Some(4), "{}", run.err());
    let output = |ended: &Ended| format!("{}{}", ended.out(), ended.err());
    for (who, output) in [("lint", output(&lint)), ("run", output(&run))] {
        for clue in clues {
            assert!(output.contains(clue), "{who} does not report {clue:?}: {output}");
        }
        assert!(!output.contains("zxqvbyjk") && !output.contains("-secret"), "a password is shown: {output}");
    }
}

#[test]
fn a_wrong_password_of_kafka_is_reported_with_its_secret() {
    let (secured, fixture) = (SecuredKafka::start(), PipelineFixture::new());
    for mechanism in ["Plain", "ScramSha256", "ScramSha512"] {
        secured.configure(&fixture, "localhost", mechanism, "app", "zxqvbyjkpassword");
        assert_both_report(&fixture, &["events", "\"app\"", mechanism, "credentials.secretRef"]);
    }
    secured.configure(&fixture, "localhost", "ScramSha512", "unknown", "zxqvbyjkpassword");
    assert_both_report(&fixture, &["\"unknown\"", "knows this user"]);
}

#[test]
fn a_missing_right_is_reported_with_the_acl_to_add() {
    let (secured, fixture) = (SecuredKafka::start(), PipelineFixture::new());
    let topics = secured.topics();
    if secured.private.is_some() {
        topics.create(&fixture.source(), 1);
    }
    secured.configure(&fixture, "localhost", "ScramSha512", "reader", "reader-secret");
    assert_both_report(&fixture, &["events", &fixture.source(), "ACL", "Read"]);
    // A user with all rights gets no report.
    secured.configure(&fixture, "localhost", "ScramSha512", "app", "app-secret");
    finish(&mut fixture.folder.worker(&["lint", "--live", "-f", "."])).success();
    fixture.run(&[]).success();
    topics.remove(&[fixture.source(), fixture.clean(), fixture.dead()], &[fixture.group()]);
}

#[test]
fn a_certificate_for_another_name_and_an_unknown_authority_are_reported() {
    let (secured, fixture) = (SecuredKafka::start(), PipelineFixture::new());
    let _proxy = Proxy::under([127, 0, 0, 2].into(), secured.port());
    secured.configure(&fixture, "127.0.0.2", "ScramSha512", "app", "app-secret");
    assert_both_report(&fixture, &["events", "TLS", "names the host"]);
    secured.configure(&fixture, "localhost", "ScramSha512", "app", "app-secret");
    let stranger = fs::read_to_string(secured.facts().tls().join("stranger-ca.pem")).unwrap();
    let right = fs::read_to_string(secured.facts().tls().join("ca.pem")).unwrap();
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    fixture.folder.edit("store.yaml", &quoted(&right), &quoted(&stranger));
    assert_both_report(&fixture, &["events", "TLS", "caSecretRef"]);
}

#[test]
fn a_missing_topic_is_reported_by_its_name() {
    let fixture = PipelineFixture::new();
    fixture.edit_spec(|spec| spec["source"]["kafka"]["topic"] = "nothing_here".into());
    assert_both_report(&fixture, &["events", "\"nothing_here\" does not exist", "spec.source.kafka.topic"]);
    fixture.edit_spec(|spec| {
        spec["source"]["kafka"]["topic"] = fixture.source().into();
        spec["sinks"][3]["kafka"] = serde_yaml::from_str("{storeRef: {name: events}, topic: no_output}").unwrap();
    });
    assert_both_report(&fixture, &["\"no_output\" does not exist", "manage: Create"]);
}

#[test]
fn a_topic_of_other_partitions_and_a_compacted_dead_letter_are_refused() {
    let fixture = PipelineFixture::new();
    fixture.topics.create(&fixture.clean(), 2);
    assert_both_report(&fixture, &[&fixture.clean(), "has 2 partitions", "says 4"]);
    let fixture = PipelineFixture::new();
    fixture.topics.create_with(&fixture.dead(), 1, &[("cleanup.policy", "compact")]);
    assert_both_report(&fixture, &[&fixture.dead(), "compacted", "cleanup.policy=delete"]);
}

#[test]
fn a_table_with_other_types_is_reported_column_by_column() {
    let fixture = PipelineFixture::new();
    let keyspace = fixture.keyspace();
    let replicas = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    fixture.cql(&format!("CREATE KEYSPACE {keyspace} WITH replication = {replicas}"));
    fixture.cql(&format!(
        "CREATE TABLE {keyspace}.profiles (subject_ref text PRIMARY KEY, event_id text, event_time timestamp, \
         version int, name text, email text, phone text, city text, postcode bigint, country text, note text, tier text)"
    ));
    assert_both_report(
        &fixture,
        &["profiles", &format!("{keyspace}.profiles"), "version", "postcode", "plan", "bigint", "text"],
    );
}

#[test]
fn another_expiry_of_a_collection_is_reported_with_the_command_that_changes_it() {
    let fixture = PipelineFixture::new();
    fixture.create_ttl_index("documents", "_expires_at", 3600);
    assert_both_report(&fixture, &["documents", &format!("{}.profiles", fixture.database()), "3600", "collMod"]);
}

#[test]
fn an_unreachable_server_is_reported_by_its_store() {
    for (store, address, clue) in [
        ("events", engines().kafka(), "127.0.0.1:1"),
        ("profiles", engines().cassandra(), "127.0.0.1:1"),
        ("documents", engines().mongodb(), "mongodb.hosts"),
    ] {
        let fixture = PipelineFixture::new();
        fixture.folder.edit("store.yaml", address, "127.0.0.1:1");
        assert_both_report(&fixture, &[store, clue]);
    }
}
