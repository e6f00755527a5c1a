//! Laws of what is stored beside the keys: progress, the register of places, the audit record.

use std::collections::BTreeMap;

use lethe_core::place::Place;
use lethe_stores::{FilePosition, Progress};
use proptest::prelude::*;

use super::names::Names;
use crate::{fixture::VaultStore, for_all};

/// Returns positions. Every other offset has a fingerprint.
fn map(pairs: &[(&str, u64)]) -> BTreeMap<String, FilePosition> {
    let position = |offset: u64| FilePosition { offset, fingerprint: (offset % 2 == 1).then_some(offset / 2) };
    pairs.iter().map(|(name, offset)| ((*name).to_owned(), position(*offset))).collect()
}

pub async fn progress_is_kept_by_pipeline_and_what_is_not_named_stays<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let (a, b) = (names.pipeline(), names.other_pipeline());
    let commit = |pipeline: &str, offsets, marks| {
        vault.commit(pipeline.to_owned(), Progress { offsets: map(offsets), marks: map(marks) })
    };
    assert_eq!(vault.progress(a.clone()).await.unwrap(), Progress::default());
    commit(&a, &[("data/a.ndjson", 11), ("$b", 20)], &[("dump", 5)]).await.unwrap();
    commit(&b, &[("data/a.ndjson", 99)], &[]).await.unwrap();
    commit(&a, &[("data/a.ndjson", 15)], &[]).await.unwrap();
    commit(&a, &[], &[]).await.unwrap();
    let kept = Progress { offsets: map(&[("$b", 20), ("data/a.ndjson", 15)]), marks: map(&[("dump", 5)]) };
    let other = store.vault().await;
    assert_eq!(other.progress(a.clone()).await.unwrap(), kept);
    commit(&a, &[("c", u64::MAX)], &[]).await.unwrap_err();
    vault.forget(a.clone()).await.unwrap();
    assert_eq!(other.progress(a.clone()).await.unwrap(), Progress::default());
    assert_eq!(other.progress(b).await.unwrap().offsets, map(&[("data/a.ndjson", 99)]));
    // What is committed later is not mixed with what was forgotten.
    commit(&a, &[("data/a.ndjson", 1)], &[]).await.unwrap();
    assert_eq!(other.progress(a).await.unwrap(), Progress { offsets: map(&[("data/a.ndjson", 1)]), marks: map(&[]) });
}

pub async fn progress_is_the_last_value_of_each_name<S: VaultStore>(store: &S) {
    let vault = store.vault().await;
    let name = prop_oneof!["[ab]", Just("$x.y".to_owned()), Just("data/1.ndjson".to_owned()), Just(String::from("é_"))];
    let position =
        (0u64..1 << 60, 0u64..1 << 63).prop_map(|(offset, print)| FilePosition { offset, fingerprint: Some(print) });
    let values = prop::collection::btree_map(name, position, 0..3);
    let commits = prop::collection::vec((values.clone(), values), 1..6);
    for_all(S::CASES, commits, async |commits| {
        let names = Names::new();
        let mut wanted = Progress::default();
        for (offsets, marks) in commits {
            wanted.offsets.extend(offsets.clone());
            wanted.marks.extend(marks.clone());
            vault.commit(names.pipeline(), Progress { offsets, marks }).await.unwrap();
        }
        assert_eq!(vault.progress(names.pipeline()).await.unwrap(), wanted);
    });
}

pub async fn a_place_is_registered_once_and_outlives_its_progress<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let place = |name: &str, form: &str| Place::from_stored("cluster", name.into(), names.space(), form).unwrap();
    let places =
        [place("a", "Reference:Analytics"), place("b", "Sealed"), place("b", "Token"), place("c", "Clear:/user/id")];
    for pipeline in [names.pipeline(), names.pipeline(), names.other_pipeline()] {
        let unordered = [3, 1, 0, 1, 2].map(|at: usize| places[at].clone());
        vault.register(pipeline, unordered.to_vec()).await.unwrap();
    }
    vault.forget(names.pipeline()).await.unwrap();
    let mut found = store.vault().await.places().await.unwrap();
    found.retain(|place| place.space == names.space());
    assert_eq!(found, places);
}

pub async fn the_audit_record_keeps_its_order<S: VaultStore>(store: &S) {
    let (vault, names) = (store.vault().await, Names::new());
    let lines = [1, 2, 3].map(|n| format!("{{\"of\":{:?},\"n\":{n}}}", names.space()));
    for line in &lines {
        vault.audit(line.clone()).await.unwrap();
    }
    let mut kept = store.audit_lines().await;
    kept.retain(|line| lines.contains(line));
    assert_eq!(kept, lines);
}

/// Tests of these laws for a store.
macro_rules! bookkeeping_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, bookkeeping:
            progress_is_kept_by_pipeline_and_what_is_not_named_stays,
            progress_is_the_last_value_of_each_name,
            a_place_is_registered_once_and_outlives_its_progress,
            the_audit_record_keeps_its_order,
        }
    };
}
pub(crate) use bookkeeping_laws;
