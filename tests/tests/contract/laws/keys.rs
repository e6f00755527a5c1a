//! Laws of subjects' keys, on which workers agree, and of their aliases.

use std::collections::BTreeMap;

use lethe_core::{identity::Token, keys::WrappedKey};
use lethe_stores::{KeyRow, SubjectWant};
use proptest::prelude::*;

use super::names::{Names, one};
use crate::{fixture::VaultStore, for_all};

pub async fn the_first_key_of_a_subject_stays<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    assert!(one(&vault, names.want(1, 1, 7)).await == names.live(1, 7));
    assert!(one(&vault, names.want(1, 1, 8)).await == names.live(1, 7));
    let wants = vec![names.want(1, 1, 9), names.want(2, 1, 9), names.want(2, 1, 10)];
    let both = vault.subjects(wants).await.unwrap();
    let live = |byte| vec![names.live(1, byte), names.live(1, byte)];
    assert!(both == [live(7), live(9), live(9)] || both == [live(7), live(10), live(10)]);
    let found = vault.find(names.space(), Token([1; 32])).await.unwrap();
    assert_eq!(found.iter().map(|entry| &*entry.class).collect::<Vec<_>>(), ["history", "profile"]);
    let other = store.vault().await;
    assert!(one(&other, names.want(1, 1, 11)).await == names.live(1, 7));
}

pub async fn a_class_that_is_new_gets_a_key_beside_those_that_are_there<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    one(&vault, names.want_one(1, 1, 7)).await;
    let both = vault.subjects(vec![names.want(1, 1, 8)]).await.unwrap().remove(0);
    assert!(both == [names.live(1, 7), names.live(1, 8)]);
}

pub async fn workers_that_race_agree_on_one_key<S: VaultStore>(store: &S) {
    let names = Names::new();
    let wants = move |byte| (0..100).map(|who| names.want(who, 1, byte)).collect::<Vec<SubjectWant>>();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let vault = store.vault().await;
        workers.spawn(async move { vault.subjects(wants(worker)).await.unwrap() });
    }
    let mut answers = Vec::new();
    while let Some(answer) = workers.join_next().await {
        answers.push(answer.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let again = store.vault().await.subjects(wants(9)).await.unwrap();
    assert!(again == answers[0], "what they agreed on is not what is there");
}

pub async fn a_shredded_key_stays_shredded_and_gets_no_successor<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    one(&vault, names.want(1, 1, 0xab)).await;
    one(&vault, names.want(2, 1, 0xab)).await;
    let who = || (names.space(), Token([1; 32]));
    let shred = || store.shred(who().0, who().1);
    assert_eq!(store.sealed_rows(who().0, who().1).await, 2);
    assert_eq!(shred().await.unwrap(), 2);
    assert!(one(&vault, names.want(1, 1, 9)).await == KeyRow::Shredded);
    let found = vault.find(who().0, who().1).await.unwrap();
    assert!(found.len() == 2 && found.iter().all(|entry| entry.row == KeyRow::Shredded));
    assert_eq!(store.sealed_rows(who().0, who().1).await, 0);
    assert_eq!(shred().await.unwrap(), 0);
    assert!(one(&vault, names.want(2, 1, 9)).await == names.live(1, 0xab), "a neighbour keeps its key");
}

pub async fn an_alias_leads_to_every_subject_that_had_it<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let first = names.want(1, 1, 1);
    let mut second = names.want(2, 1, 2);
    second.aliases.clone_from(&first.aliases);
    vault.subjects(vec![first, second.clone(), second.clone()]).await.unwrap();
    // A subject that is known may come with an alias that is not.
    second.aliases = vec![("phone".to_owned(), Token([9; 32]))];
    one(&vault, second).await;
    let resolve = |name: &str, alias| vault.resolve(names.space(), name.to_owned(), Token([alias; 32]));
    assert_eq!(resolve("email", 101).await.unwrap(), [Token([1; 32]), Token([2; 32])]);
    assert_eq!(resolve("phone", 9).await.unwrap(), [Token([2; 32])]);
    assert_eq!(resolve("phone", 101).await.unwrap(), []);
}

/// One step of a worker or of a person.
#[derive(Clone, Debug)]
enum Step {
    /// A worker needs keys of a subject; `classes` of the two.
    Want { who: u8, classes: usize, byte: u8 },
    /// A person erases a subject.
    Shred { who: u8 },
    /// A person wraps the keys of a subject by another master.
    Rewrap { who: u8, master: u32, byte: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u8..3, 1usize..3, any::<u8>()).prop_map(|(who, classes, byte)| Step::Want { who, classes, byte }),
        1 => (0u8..3).prop_map(|who| Step::Shred { who }),
        2 => (0u8..3, 1u32..3, any::<u8>()).prop_map(|(who, master, byte)| Step::Rewrap { who, master, byte }),
    ];
    prop::collection::vec(step, 1..16)
}

/// Subject and class; a key, or `None` once it was shredded.
type Model = BTreeMap<(u8, String), Option<WrappedKey>>;

pub async fn keys_are_at_any_time_those_of_the_model<S: VaultStore>(store: &S) {
    let vault = store.vault().await;
    for_all(S::CASES, steps(), async |steps| {
        let names = Names::new();
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Want { who, classes, byte } => {
                    let mut want = names.want(who, 1, byte);
                    want.candidates.truncate(classes);
                    let wanted = want.candidates.iter().map(|(class, key)| {
                        match model.entry((who, class.clone())).or_insert_with(|| Some(key.clone())) {
                            Some(key) => KeyRow::Live(key.clone()),
                            None => KeyRow::Shredded,
                        }
                    });
                    let wanted: Vec<KeyRow> = wanted.collect();
                    assert!(vault.subjects(vec![want]).await.unwrap() == [wanted]);
                }
                Step::Shred { who } => {
                    let of_subject = model.iter_mut().filter(|((other, _), _)| *other == who);
                    let live = of_subject.filter_map(|(_, key)| key.take()).count();
                    let shredded = store.shred(names.space(), Token([who; 32])).await.unwrap();
                    assert_eq!(shredded, live as u64);
                }
                Step::Rewrap { who, master, byte } => {
                    let found = vault.find(names.space(), Token([who; 32])).await.unwrap();
                    let live = found.into_iter().filter(|entry| matches!(entry.row, KeyRow::Live(_)));
                    let pairs: Vec<_> = live.map(|entry| (entry, names.key(master, byte))).collect();
                    let of_subject = model.iter_mut().filter(|((other, _), key)| *other == who && key.is_some());
                    of_subject.for_each(|(_, key)| *key = Some(names.key(master, byte)));
                    assert_eq!(vault.rewrap(pairs.clone()).await.unwrap(), pairs.len() as u64);
                }
            }
        }
        for who in 0..3 {
            let found = vault.find(names.space(), Token([who; 32])).await.unwrap();
            let found: BTreeMap<_, _> = found.into_iter().map(|entry| (entry.class, entry.row)).collect();
            let wanted = model
                .iter()
                .filter(|((other, _), _)| *other == who)
                .map(|((_, class), key)| (class.clone(), key.clone().map_or(KeyRow::Shredded, KeyRow::Live)));
            assert!(found == wanted.collect());
        }
        for master in 1..3 {
            let wrapped = model.values().flatten().filter(|key| key.master == names.master(master)).count();
            assert_eq!(vault.count_wrapped_by(names.master(master)).await.unwrap(), wrapped as u64);
        }
    });
}

/// Tests of these laws for a store.
macro_rules! keys_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, keys:
            the_first_key_of_a_subject_stays,
            a_class_that_is_new_gets_a_key_beside_those_that_are_there,
            workers_that_race_agree_on_one_key,
            a_shredded_key_stays_shredded_and_gets_no_successor,
            an_alias_leads_to_every_subject_that_had_it,
            keys_are_at_any_time_those_of_the_model,
        }
    };
}
pub(crate) use keys_laws;
