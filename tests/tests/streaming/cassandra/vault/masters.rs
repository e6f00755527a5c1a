//! Master keys: known by their checks, replaced key by key, and retired when they wrap none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::*;

#[tokio::test]
async fn a_key_of_the_same_name_with_another_value_is_refused_and_nothing_recorded() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let check = |name: &str, value: &str| bench.check(name, value);
    vault.add_checks(vec![check("root", "aa"), check("audience", "bb")]).await.unwrap();
    vault.add_checks(vec![check("root", "aa")]).await.unwrap();
    let other = vault.add_checks(vec![check("another", "dd"), check("root", "cc")]).await;
    assert!(is_mismatch(other, &format!("key root-{}", bench.number())));
    let wanted = [check("another", ""), check("audience", "bb"), check("root", "aa")];
    assert_eq!(bench.checks(&vault, &wanted).await, wanted[1..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_workers_with_other_secrets_that_start_at_once_one_starts() {
    let bench = Arc::new(Bench::new().await);
    let secrets = {
        let bench = Arc::clone(&bench);
        move |n: usize| ["audience", "master", "root"].map(|name| bench.check(name, &format!("{n}"))).to_vec()
    };
    let mut starts = Vec::new();
    for n in 0..6 {
        let (vault, secrets) = (bench.vault().await, secrets.clone());
        starts.push(tokio::spawn(async move { vault.add_checks(secrets(n)).await.is_ok() }));
    }
    let mut started = Vec::new();
    for start in starts {
        started.push(start.await.unwrap());
    }
    let winner = started.iter().position(|ok| *ok).unwrap();
    assert_eq!(started.iter().filter(|ok| **ok).count(), 1);
    let wanted = secrets(winner);
    assert_eq!(bench.checks(&bench.vault().await, &wanted).await, wanted);
}

#[tokio::test]
async fn rewrapping_goes_on_until_no_key_is_left_and_loses_to_a_change() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let mut wants: Vec<SubjectWant> = (0..9).map(|who| bench.want(who, bench.key(1, who))).collect();
    for want in &mut wants {
        want.candidates.truncate(1);
    }
    vault.subjects(wants).await.unwrap();
    vault.shred(bench.space(), Token([3; 32])).await.unwrap();
    let mut stale = vault.find(bench.space(), Token([1; 32])).await.unwrap().remove(0);
    stale.row = KeyRow::Live(bench.key(1, 0xff));
    assert_eq!(vault.rewrap(vec![(stale, bench.key(2, 0))]).await.unwrap(), 0);
    // Keys of other tests are keys that another master wraps, too: these are passed by.
    let began = Instant::now();
    while vault.count_wrapped_by(bench.master(1)).await.unwrap() > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "keys are left");
        let old = vault.wrapped_by_others(bench.master(2), 16).await.unwrap();
        let own: Vec<_> = old.into_iter().filter(|entry| entry.space == bench.space()).collect();
        let pairs: Vec<_> = own.into_iter().map(|entry| (entry, bench.key(2, 0x77))).collect();
        assert_eq!(vault.rewrap(pairs.clone()).await.unwrap(), pairs.len() as u64);
    }
    assert_eq!(vault.count_wrapped_by(bench.master(2)).await.unwrap(), 8);
    assert!(one(&vault, bench.want(3, bench.key(2, 1))).await == KeyRow::Shredded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_wraps_a_key_is_not_retired_and_a_retired_one_wraps_none() {
    let bench = Bench::new().await;
    let vault = Arc::new(bench.vault().await);
    let masters = [1, 2, 3].map(|n| bench.master_check(n));
    vault.add_checks(masters.to_vec()).await.unwrap();
    let want = |who, master, byte| bench.want(who, bench.key(master, byte));
    one(&vault, want(1, 1, 7)).await;
    let retire = |n| {
        let (vault, name) = (Arc::clone(&vault), bench.master_name(n));
        async move { vault.retire(name, "{\"by\":\"ops\"}".into()).await }
    };
    assert!(is_mismatch(retire(1).await, "still wraps"));
    assert!(one(&vault, want(1, 1, 7)).await == KeyRow::Live(bench.key(1, 7)), "a refusal leaves no mark");
    let old = vault.find(bench.space(), Token([1; 32])).await.unwrap();
    vault.rewrap(old.into_iter().map(|old| (old, bench.key(2, 7))).collect()).await.unwrap();
    vault.day_key(bench.pipeline(), "2026-11-20".into(), bench.key(1, 8)).await.unwrap();
    assert!(is_mismatch(retire(1).await, "still wraps"), "a day key is a key");
    let days = vault.day_keys_wrapped_by_others(bench.master(2), usize::MAX).await.unwrap();
    let own = days.into_iter().find(|day| day.pipeline == bench.pipeline()).unwrap();
    assert_eq!(vault.rewrap_day_keys(vec![(own, bench.key(2, 8))]).await.unwrap(), 1);

    // Master 3 is retired at the same time, and a key of it was under way when the mark was set.
    let overtaken = tokio::spawn(retire(3));
    let began = Instant::now();
    while !bench.checks(&vault, &masters[2..]).await[0].retired {
        assert!(began.elapsed() < Duration::from_secs(10), "no mark was set");
    }
    let late = format!(
        "INSERT INTO {}.lethe_keys (space, subject, class, state, master, sealed) \
         VALUES ('{}', 0x{}, 'profile', 'live', {}, 0x00) IF NOT EXISTS",
        bench::shared(),
        bench.space(),
        "ff".repeat(32),
        bench.master(3)
    );
    assert!(bench.applied(&late).await);
    retire(1).await.unwrap();
    assert!(is_mismatch(overtaken.await.unwrap(), "still wraps"));
    let retired: Vec<bool> = bench.checks(&vault, &masters).await.iter().map(|check| check.retired).collect();
    assert_eq!(retired, [true, false, false]);

    retire(1).await.unwrap();
    let attested = format!(
        "SELECT attestation FROM {}.lethe_attestations WHERE key_name = '{}'",
        bench::shared(),
        bench.master_name(1)
    );
    assert_eq!(bench.texts(&attested).await, ["{\"by\":\"ops\"}"]);
    // Another worker, which still has the master and has believed nothing yet.
    let vault = bench.vault().await;
    assert!(is_mismatch(vault.subjects(vec![want(2, 1, 9)]).await, "was retired"));
    assert!(is_mismatch(vault.day_key(bench.pipeline(), "2026-11-21".into(), bench.key(1, 9)).await, "was retired"));
    assert!(one(&vault, want(2, 2, 9)).await == KeyRow::Live(bench.key(2, 9)));
    assert!(is_mismatch(vault.retire(bench.master_name(9), String::new()).await, "was ever used"));
}

#[tokio::test]
async fn a_retirement_cut_short_stops_keys_of_that_master_and_is_finished_when_repeated() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    vault.add_checks(vec![bench.master_check(1), bench.master_check(2)]).await.unwrap();
    let mark = format!(
        "UPDATE {}.lethe_key_checks SET retired = true WHERE scope = 'keys' AND name = '{}' IF retired = false",
        bench::shared(),
        bench.master_name(1)
    );
    assert!(bench.applied(&mark).await);
    assert!(is_mismatch(vault.subjects(vec![bench.want(1, bench.key(1, 7))]).await, "was retired"));
    one(&vault, bench.want(1, bench.key(2, 7))).await;
    vault.retire(bench.master_name(1), "{}".into()).await.unwrap();
    let attested = format!(
        "SELECT attestation FROM {}.lethe_attestations WHERE key_name = '{}'",
        bench::shared(),
        bench.master_name(1)
    );
    assert_eq!(bench.texts(&attested).await, ["{}"]);
}
