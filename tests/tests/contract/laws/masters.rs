//! Laws of master keys: known by their checks, replaced key by key, retired when they wrap none.

use std::time::{Duration, Instant};

use lethe_core::identity::Token;
use lethe_stores::SubjectWant;

use super::names::{Names, checks_of, is_mismatch, one};
use crate::fixture::VaultStore;

pub async fn a_key_of_the_same_name_with_another_value_is_refused_and_nothing_recorded<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let check = |name: &str, value: &str| names.check(name, value);
    vault.add_checks(vec![check("root", "aa"), check("audience", "bb")]).await.unwrap();
    vault.add_checks(vec![check("root", "aa")]).await.unwrap();
    let other = vault.add_checks(vec![check("another", "dd"), check("root", "cc")]).await;
    assert!(is_mismatch(other, &format!("key {}", names.name("root"))));
    let wanted = [check("another", ""), check("audience", "bb"), check("root", "aa")];
    assert_eq!(checks_of(&vault, &wanted).await, wanted[1..]);
}

pub async fn of_workers_with_other_secrets_that_start_at_once_one_starts<S: VaultStore>(store: &S) {
    let names = Names::new();
    let secrets = move |n: usize| {
        let named = ["audience", "master", "root"].map(|name| names.check(name, &n.to_string()));
        [&named[..], &[names.master_check(1)]].concat()
    };
    let mut starts = tokio::task::JoinSet::new();
    for n in 0..6 {
        let vault = store.vault().await;
        starts.spawn(async move { (n, vault.add_checks(secrets(n)).await.is_ok()) });
    }
    let mut started = Vec::new();
    while let Some(start) = starts.join_next().await {
        let (n, is_ok) = start.unwrap();
        started.extend(is_ok.then_some(n));
    }
    assert_eq!(started.len(), 1);
    let mut wanted = secrets(started[0]);
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(checks_of(&store.vault().await, &wanted).await, wanted);
}

pub async fn rewrapping_goes_on_until_no_key_is_left_and_loses_to_a_change<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let wants: Vec<SubjectWant> = (0..9).map(|who| names.want_one(who, 1, who)).collect();
    vault.subjects(wants).await.unwrap();
    store.shred(names.space(), Token([3; 32])).await.unwrap();
    let mut stale = vault.find(names.space(), Token([1; 32])).await.unwrap().remove(0);
    stale.row = names.live(1, 0xff);
    assert_eq!(vault.rewrap(vec![(stale, names.key(2, 0))]).await.unwrap(), 0);
    // Keys of other laws are keys that another master wraps, too: a page may hold none of this
    // law's.
    let began = Instant::now();
    while vault.count_wrapped_by(names.master(1)).await.unwrap() > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "keys are left");
        let old = vault.wrapped_by_others(names.master(2), 16).await.unwrap();
        assert!(!old.is_empty() && old.len() <= 16);
        let own: Vec<_> = old.into_iter().filter(|entry| entry.space == names.space()).collect();
        let pairs: Vec<_> = own.into_iter().map(|entry| (entry, names.key(2, 0x77))).collect();
        assert_eq!(vault.rewrap(pairs.clone()).await.unwrap(), pairs.len() as u64);
    }
    assert_eq!(vault.count_wrapped_by(names.master(2)).await.unwrap(), 8);
    assert!(one(&vault, names.want_one(3, 2, 1)).await == lethe_stores::KeyRow::Shredded);
}

pub async fn a_master_that_wraps_a_key_is_not_retired_and_a_retired_one_wraps_none<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let masters = [1, 2].map(|n| names.master_check(n));
    vault.add_checks(masters.to_vec()).await.unwrap();
    one(&vault, names.want(1, 1, 7)).await;
    let retire = || vault.retire(names.master_name(1), "{\"by\":\"ops\"}".into());
    assert!(is_mismatch(retire().await, "still wraps"));
    assert!(one(&vault, names.want(1, 1, 7)).await == names.live(1, 7), "a refusal leaves no mark");
    assert!(checks_of(&vault, &masters).await.iter().all(|check| !check.retired));
    let old = vault.find(names.space(), Token([1; 32])).await.unwrap();
    vault.rewrap(old.into_iter().map(|old| (old, names.key(2, 7))).collect()).await.unwrap();
    let day = |day: &str, byte| vault.day_key(names.pipeline(), day.into(), names.key(1, byte));
    day("2026-11-20", 8).await.unwrap();
    assert!(is_mismatch(retire().await, "still wraps"), "a day key is a key");
    let days = vault.day_keys_wrapped_by_others(names.master(2), usize::MAX).await.unwrap();
    let own = days.into_iter().find(|day| day.pipeline == names.pipeline()).unwrap();
    assert_eq!(vault.rewrap_day_keys(vec![(own, names.key(2, 8))]).await.unwrap(), 1);

    // The second call is one that was repeated after a crash.
    for _ in 0..2 {
        retire().await.unwrap();
    }
    let retired: Vec<bool> = checks_of(&vault, &masters).await.iter().map(|check| check.retired).collect();
    assert_eq!(retired, [true, false]);
    assert_eq!(store.attestations(names.master_name(1)).await, ["{\"by\":\"ops\"}"]);
    // This worker, and another one that still has the master.
    for vault in [&vault, &store.vault().await] {
        assert!(is_mismatch(vault.subjects(vec![names.want(2, 1, 9)]).await, "was retired"));
        let late = vault.day_key(names.pipeline(), "2026-11-21".into(), names.key(1, 9)).await;
        assert!(is_mismatch(late, "was retired"));
    }
    assert!(one(&vault, names.want(2, 2, 9)).await == names.live(2, 9));
    let unknown = vault.retire(names.master_name(9), String::new()).await;
    assert!(is_mismatch(unknown, &format!("no key {}", names.master_name(9))));
}

/// Tests of these laws for a store.
macro_rules! masters_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, masters:
            a_key_of_the_same_name_with_another_value_is_refused_and_nothing_recorded,
            of_workers_with_other_secrets_that_start_at_once_one_starts,
            rewrapping_goes_on_until_no_key_is_left_and_loses_to_a_change,
            a_master_that_wraps_a_key_is_not_retired_and_a_retired_one_wraps_none,
        }
    };
}
pub(crate) use masters_laws;
