//! Subjects' keys, on which workers agree, and their aliases.

use std::sync::Arc;

use super::*;

#[tokio::test]
async fn the_first_key_of_a_subject_stays() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let (key, want) = (|byte| bench.key(1, byte), |who, byte| bench.want(who, bench.key(1, byte)));
    assert!(one(&vault, want(1, 7)).await == KeyRow::Live(key(7)));
    assert!(one(&vault, want(1, 8)).await == KeyRow::Live(key(7)));
    let both = vault.subjects(vec![want(1, 9), want(2, 9), want(2, 10)]).await.unwrap();
    let live = |byte| vec![KeyRow::Live(key(byte)), KeyRow::Live(key(byte))];
    assert!(both == [live(7), live(9), live(9)] || both == [live(7), live(10), live(10)]);
    let found = vault.find(bench.space(), Token([1; 32])).await.unwrap();
    assert_eq!(found.iter().map(|entry| &*entry.class).collect::<Vec<_>>(), ["history", "profile"]);
}

#[tokio::test]
async fn a_class_that_is_new_gets_a_key_beside_those_that_are_there() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let mut narrow = bench.want(1, bench.key(1, 7));
    narrow.candidates.truncate(1);
    one(&vault, narrow).await;
    let both = vault.subjects(vec![bench.want(1, bench.key(1, 8))]).await.unwrap().remove(0);
    assert!(both == [KeyRow::Live(bench.key(1, 7)), KeyRow::Live(bench.key(1, 8))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_that_race_agree_on_one_key() {
    let bench = Arc::new(Bench::new().await);
    let mut workers = Vec::new();
    for worker in 0..4 {
        let (bench, vault) = (Arc::clone(&bench), bench.vault().await);
        workers.push(tokio::spawn(async move {
            vault.subjects((0..100).map(|who| bench.want(who, bench.key(1, worker))).collect()).await.unwrap()
        }));
    }
    let mut answers = Vec::new();
    for worker in workers {
        answers.push(worker.await.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let vault = bench.vault().await;
    let again = vault.subjects((0..100).map(|who| bench.want(who, bench.key(1, 9))).collect()).await.unwrap();
    assert!(again == answers[0], "what they agreed on is not what is there");
}

#[tokio::test]
async fn a_shredded_key_stays_shredded_and_gets_no_successor() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let want = |who, byte| bench.want(who, bench.key(1, byte));
    one(&vault, want(1, 0xab)).await;
    one(&vault, want(2, 0xab)).await;
    let shred = || vault.shred(bench.space(), Token([1; 32]));
    assert_eq!(shred().await.unwrap(), 2);
    assert!(one(&vault, want(1, 9)).await == KeyRow::Shredded);
    assert!(vault.find(bench.space(), Token([1; 32])).await.unwrap().iter().all(|e| e.row == KeyRow::Shredded));
    assert_eq!(shred().await.unwrap(), 0);
    assert!(one(&vault, want(2, 9)).await == KeyRow::Live(bench.key(1, 0xab)), "a neighbour keeps its key");
    let rows = format!(
        "SELECT JSON state, master, sealed FROM {}.lethe_keys WHERE space = '{}' AND subject = 0x{}",
        bench::shared(),
        bench.space(),
        "01".repeat(32)
    );
    let shredded = r#"{"state": "shredded", "master": null, "sealed": null}"#;
    assert_eq!(bench.texts(&rows).await, [shredded, shredded]);
}

#[tokio::test]
async fn an_alias_leads_to_every_subject_that_had_it() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let first = bench.want(1, bench.key(1, 1));
    let mut second = bench.want(2, bench.key(1, 2));
    second.aliases.clone_from(&first.aliases);
    vault.subjects(vec![first, second.clone(), second.clone()]).await.unwrap();
    // A subject that is known may come with an alias that isn't.
    second.aliases = vec![("phone".to_owned(), Token([9; 32]))];
    one(&vault, second).await;
    let resolve = |name: &str, alias| vault.resolve(bench.space(), name.to_owned(), Token([alias; 32]));
    assert_eq!(resolve("email", 101).await.unwrap(), [Token([1; 32]), Token([2; 32])]);
    assert_eq!(resolve("phone", 9).await.unwrap(), [Token([2; 32])]);
    assert_eq!(resolve("phone", 101).await.unwrap(), []);
}
