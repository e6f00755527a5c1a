//! What is wrong with a store is said before a run, by `lint --live`, and by the run itself: what, where,
//! and what to do. No password is in it.

use std::fs;

use lethe_tests::engines::{Engines, Own, engines};

use crate::{
    proxy::Proxy,
    stage::Stage,
    topics::Topics,
    worker::{Ended, finish},
};

/// Kafka with a listener that wants TLS and a login: that of the servers that tests share, where they have
/// one.
struct Secured {
    own: Option<Own>,
}

impl Secured {
    fn start() -> Self {
        let shared = engines().get("KAFKA_SASL_SSL").is_some();
        Self { own: (!shared).then(|| Own::start("kafka", &[])) }
    }

    fn facts(&self) -> &Engines {
        match &self.own {
            Some(own) => &own.facts,
            None => engines(),
        }
    }

    fn port(&self) -> u16 {
        let address = self.facts().get("KAFKA_SASL_SSL").unwrap();
        address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// The topics of its cluster, by the listener that wants nothing.
    fn topics(&self) -> Topics {
        Topics::at(self.facts().kafka())
    }

    /// Points the DataStore of Kafka at it: from this host, as this user.
    fn used_by(&self, stage: &Stage, host: &str, mechanism: &str, user: &str, password: &str) {
        let authority = fs::read_to_string(self.facts().tls().join("ca.pem")).unwrap();
        let text = fs::read_to_string(stage.folder.file("store.yaml")).unwrap();
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
        stage.folder.write("store.yaml", format!("{kafka}\n---\n{secret}\n---\n{others}"));
    }
}

/// Both say it: lint, and the run. Neither shows a password.
#[track_caller]
fn both_say(stage: &Stage, clues: &[&str]) {
    // At once: both wait for servers that don't answer.
    let (lint, run) = std::thread::scope(|scope| {
        let lint = scope.spawn(|| finish(&mut stage.folder.worker(&["lint", "--live", "-f", "."])));
        let run = finish(&mut stage.folder.worker(&["run", "-f", ".", "--until-end", "--live", "--join", "--quiet"]));
        (lint.join().unwrap(), run)
    });
    assert_eq!(lint.code, Some(3), "{}{}", lint.out(), lint.err());
    assert_eq!(run.code, Some(4), "{}", run.err());
    let said = |ended: &Ended| format!("{}{}", ended.out(), ended.err());
    for (who, said) in [("lint", said(&lint)), ("run", said(&run))] {
        for clue in clues {
            assert!(said.contains(clue), "{who} says nothing of {clue:?}: {said}");
        }
        assert!(!said.contains("zxqvbyjk") && !said.contains("-secret"), "a password is shown: {said}");
    }
}

#[test]
fn a_wrong_password_of_kafka_is_said_with_the_secret_that_holds_it() {
    let (secured, stage) = (Secured::start(), Stage::new());
    for mechanism in ["Plain", "ScramSha256", "ScramSha512"] {
        secured.used_by(&stage, "localhost", mechanism, "app", "zxqvbyjkpassword");
        both_say(&stage, &["events", "\"app\"", mechanism, "credentials.secretRef"]);
    }
    secured.used_by(&stage, "localhost", "ScramSha512", "nobody", "zxqvbyjkpassword");
    both_say(&stage, &["\"nobody\"", "knows this user"]);
}

#[test]
fn a_right_that_a_user_lacks_is_said_with_the_acl_to_add() {
    let (secured, stage) = (Secured::start(), Stage::new());
    let topics = secured.topics();
    if secured.own.is_some() {
        topics.create(&stage.source(), 1);
    }
    secured.used_by(&stage, "localhost", "ScramSha512", "reader", "reader-secret");
    both_say(&stage, &["events", &stage.source(), "ACL", "Read"]);
    // One with all rights finds nothing wrong.
    secured.used_by(&stage, "localhost", "ScramSha512", "app", "app-secret");
    finish(&mut stage.folder.worker(&["lint", "--live", "-f", "."])).well();
    stage.run(&[]).well();
    topics.remove(&[stage.source(), stage.clean(), stage.dead()], &[stage.group()]);
}

#[test]
fn a_certificate_for_another_name_is_said_and_so_is_an_authority_that_nobody_knows() {
    let (secured, stage) = (Secured::start(), Stage::new());
    let _proxy = Proxy::under([127, 0, 0, 2].into(), secured.port());
    secured.used_by(&stage, "127.0.0.2", "ScramSha512", "app", "app-secret");
    both_say(&stage, &["events", "TLS", "names the host"]);
    secured.used_by(&stage, "localhost", "ScramSha512", "app", "app-secret");
    let stranger = fs::read_to_string(secured.facts().tls().join("stranger-ca.pem")).unwrap();
    let right = fs::read_to_string(secured.facts().tls().join("ca.pem")).unwrap();
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    stage.folder.edit("store.yaml", &quoted(&right), &quoted(&stranger));
    both_say(&stage, &["events", "TLS", "caSecretRef"]);
}

#[test]
fn a_topic_that_is_not_there_is_said_by_its_name() {
    let stage = Stage::new();
    stage.declare(|spec| spec["source"]["kafka"]["topic"] = "nothing_here".into());
    both_say(&stage, &["events", "\"nothing_here\" does not exist", "spec.source.kafka.topic"]);
    stage.declare(|spec| {
        spec["source"]["kafka"]["topic"] = stage.source().into();
        spec["sinks"][3]["kafka"] = serde_yaml::from_str("{storeRef: {name: events}, topic: no_output}").unwrap();
    });
    both_say(&stage, &["\"no_output\" does not exist", "manage: Create"]);
}

#[test]
fn a_topic_of_other_partitions_and_a_compacted_dead_letter_are_refused() {
    let stage = Stage::new();
    stage.topics.create(&stage.clean(), 2);
    both_say(&stage, &[&stage.clean(), "has 2 partitions", "says 4"]);
    let stage = Stage::new();
    stage.topics.create_with(&stage.dead(), 1, &[("cleanup.policy", "compact")]);
    both_say(&stage, &[&stage.dead(), "compacted", "cleanup.policy=delete"]);
}

#[test]
fn a_table_of_other_types_is_explained_column_by_column() {
    let stage = Stage::new();
    let keyspace = stage.keyspace();
    let replicas = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    stage.cql(&format!("CREATE KEYSPACE {keyspace} WITH replication = {replicas}"));
    stage.cql(&format!(
        "CREATE TABLE {keyspace}.profiles (subject_ref text PRIMARY KEY, event_id text, event_time timestamp, \
         version int, name text, email text, phone text, city text, postcode bigint, country text, note text, tier text)"
    ));
    both_say(&stage, &["profiles", &format!("{keyspace}.profiles"), "version", "postcode", "plan", "bigint", "text"]);
}

#[test]
fn a_collection_that_expires_at_another_time_is_said_with_the_command_that_changes_it() {
    let stage = Stage::new();
    stage.index("documents", "_expires_at", 3600);
    both_say(&stage, &["documents", &format!("{}.profiles", stage.database()), "3600", "collMod"]);
}

#[test]
fn a_server_that_is_nowhere_is_said_by_its_store() {
    for (store, address, clue) in [
        ("events", engines().kafka(), "127.0.0.1:1"),
        ("profiles", engines().cassandra(), "127.0.0.1:1"),
        ("documents", engines().mongodb(), "mongodb.hosts"),
    ] {
        let stage = Stage::new();
        stage.folder.edit("store.yaml", address, "127.0.0.1:1");
        both_say(&stage, &[store, clue]);
    }
}
