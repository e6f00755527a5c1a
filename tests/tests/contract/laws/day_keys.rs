//! Laws of keys of days.

use lethe_stores::DayKey;

use super::names::Names;
use crate::fixture::VaultStore;

pub async fn a_destroyed_day_gets_no_new_key<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let key = |byte| names.key(1, byte);
    let day = |day: &str, byte| vault.day_key(names.pipeline(), day.into(), key(byte));
    assert!(day("2026-11-20", 1).await.unwrap() == Some(key(1)));
    assert!(day("2026-11-20", 2).await.unwrap() == Some(key(1)));
    assert!(day("2026-11-21", 3).await.unwrap() == Some(key(3)));
    vault.day_key(names.other_pipeline(), "2026-11-20".into(), key(4)).await.unwrap();
    let count = || vault.count_day_keys_wrapped_by(names.master(1));
    assert_eq!(count().await.unwrap(), 3);
    let destroy = || vault.destroy_day_keys(names.pipeline(), "2026-11-21".into());
    assert_eq!((destroy().await.unwrap(), destroy().await.unwrap()), (1, 0));
    assert_eq!(count().await.unwrap(), 2);
    assert!(day("2026-11-20", 5).await.unwrap().is_none());
    assert!(day("2026-11-21", 6).await.unwrap() == Some(key(3)));
    let other = store.vault().await;
    let find = |day: &str| other.find_day_key(names.pipeline(), day.into());
    assert!(find("2026-11-20").await.unwrap().is_none() && find("2026-11-22").await.unwrap().is_none());
    assert!(find("2026-11-21").await.unwrap() == Some(key(3)));
    let neighbour = other.find_day_key(names.other_pipeline(), "2026-11-20".into()).await.unwrap();
    assert!(neighbour == Some(key(4)), "a day of another pipeline keeps its key");
}

pub async fn workers_that_race_agree_on_one_key_of_a_day<S: VaultStore>(store: &S) {
    let names = Names::new();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let vault = store.vault().await;
        workers.spawn(async move {
            vault.day_key(names.pipeline(), "2026-11-20".into(), names.key(1, worker)).await.unwrap().unwrap()
        });
    }
    let mut answers = Vec::new();
    while let Some(answer) = workers.join_next().await {
        answers.push(answer.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let found = store.vault().await.find_day_key(names.pipeline(), "2026-11-20".into()).await.unwrap();
    assert!(found.as_ref() == Some(&answers[0]));
}

pub async fn keys_of_days_are_rewrapped_until_none_is_left_and_lose_to_a_change<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let (a, b) = (names.pipeline(), names.other_pipeline());
    for (pipeline, day) in [(&a, "2026-11-19"), (&a, "2026-11-20"), (&b, "2026-11-20")] {
        vault.day_key(pipeline.clone(), day.into(), names.key(1, 7)).await.unwrap();
    }
    vault.destroy_day_keys(a.clone(), "2026-11-20".into()).await.unwrap();
    assert_eq!(vault.count_day_keys_wrapped_by(names.master(1)).await.unwrap(), 2);
    // Days of other laws are wrapped by other masters, too.
    let own = async || -> Vec<DayKey> {
        let mut old = vault.day_keys_wrapped_by_others(names.master(2), usize::MAX).await.unwrap();
        old.retain(|day| day.pipeline == a || day.pipeline == b);
        old
    };
    assert_eq!(vault.day_keys_wrapped_by_others(names.master(2), 1).await.unwrap().len(), 1);
    let old = own().await;
    assert_eq!(old.len(), 2);
    let mut stale = old[0].clone();
    stale.key = names.key(1, 8);
    assert_eq!(vault.rewrap_day_keys(vec![(stale, names.key(2, 9))]).await.unwrap(), 0);
    let pairs = old.into_iter().map(|old| (old, names.key(2, 9))).collect();
    assert_eq!(vault.rewrap_day_keys(pairs).await.unwrap(), 2);
    assert!(own().await.is_empty());
    assert_eq!(vault.count_day_keys_wrapped_by(names.master(2)).await.unwrap(), 2);
    assert!(vault.find_day_key(b.clone(), "2026-11-20".into()).await.unwrap() == Some(names.key(2, 9)));
}

/// Tests of these laws for a store.
macro_rules! day_keys_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, day_keys:
            a_destroyed_day_gets_no_new_key,
            workers_that_race_agree_on_one_key_of_a_day,
            keys_of_days_are_rewrapped_until_none_is_left_and_lose_to_a_change,
        }
    };
}
pub(crate) use day_keys_laws;
