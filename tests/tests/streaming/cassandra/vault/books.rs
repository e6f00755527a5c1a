//! What lies beside subjects' keys: keys of days, how far pipelines are, the register of places, the audit record.

use std::{collections::BTreeMap, sync::Arc};

use super::*;

#[tokio::test]
async fn a_destroyed_day_gets_no_new_key() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let key = |byte| bench.key(1, byte);
    let day = |day: &str, byte| vault.day_key(bench.pipeline(), day.into(), key(byte));
    assert!(day("2026-11-20", 1).await.unwrap() == Some(key(1)));
    assert!(day("2026-11-20", 2).await.unwrap() == Some(key(1)));
    assert!(day("2026-11-21", 3).await.unwrap() == Some(key(3)));
    vault.day_key(format!("{}.other", bench.pipeline()), "2026-11-20".into(), key(4)).await.unwrap();
    let count = || vault.count_day_keys_wrapped_by(bench.master(1));
    assert_eq!(count().await.unwrap(), 3);
    let destroy = || vault.destroy_day_keys(bench.pipeline(), "2026-11-21".into());
    assert_eq!((destroy().await.unwrap(), destroy().await.unwrap()), (1, 0));
    assert_eq!(count().await.unwrap(), 2);
    assert!(day("2026-11-20", 5).await.unwrap().is_none());
    let find = |day: &str| vault.find_day_key(bench.pipeline(), day.into());
    assert!(find("2026-11-20").await.unwrap().is_none() && find("2026-11-22").await.unwrap().is_none());
    assert!(find("2026-11-21").await.unwrap() == Some(key(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_that_race_agree_on_one_key_of_a_day() {
    let bench = Arc::new(Bench::new().await);
    let mut workers = Vec::new();
    for worker in 0..8 {
        let (bench, vault) = (Arc::clone(&bench), bench.vault().await);
        workers.push(tokio::spawn(async move {
            vault.day_key(bench.pipeline(), "2026-11-20".into(), bench.key(1, worker)).await.unwrap().unwrap()
        }));
    }
    let mut answers = Vec::new();
    for worker in workers {
        answers.push(worker.await.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn progress_is_kept_by_pipeline_and_what_is_not_named_stays() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let map = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    };
    let commit = |offsets, marks| vault.commit(bench.pipeline(), Progress { offsets: map(offsets), marks: map(marks) });
    let progress = |pipeline: String| async { vault.progress(pipeline).await.unwrap() };
    commit(&[("data/a.ndjson", 10), ("$b", 20)], &[("dump", 5)]).await.unwrap();
    commit(&[("data/a.ndjson", 15)], &[]).await.unwrap();
    commit(&[], &[]).await.unwrap();
    let wanted = Progress { offsets: map(&[("$b", 20), ("data/a.ndjson", 15)]), marks: map(&[("dump", 5)]) };
    assert_eq!(progress(bench.pipeline()).await, wanted);
    assert_eq!(progress(format!("{}.other", bench.pipeline())).await, Progress::default());
    assert!(commit(&[("c", u64::MAX)], &[]).await.is_err());
    vault.forget(bench.pipeline()).await.unwrap();
    assert_eq!(progress(bench.pipeline()).await, Progress::default());
    // What comes after is not taken for something of before.
    commit(&[("data/a.ndjson", 1)], &[]).await.unwrap();
    assert_eq!(progress(bench.pipeline()).await.offsets, map(&[("data/a.ndjson", 1)]));
}

#[tokio::test]
async fn a_place_is_registered_once_and_the_audit_record_keeps_its_order() {
    let bench = Bench::new().await;
    let vault = bench.vault().await;
    let place = |name: &str| Place {
        store: format!("cluster-{}", bench.number()),
        name: name.into(),
        space: bench.space(),
        form: "Reference:Analytics".into(),
    };
    for pipeline in ["shop.a", "shop.a", "shop.b"] {
        vault.register(pipeline.into(), vec![place("b"), place("a"), place("b")]).await.unwrap();
    }
    let mut places = vault.places().await.unwrap();
    places.retain(|place| place.space == bench.space());
    assert_eq!(places, [place("a"), place("b")]);

    let lines = [1, 2].map(|n| format!("{{\"of\":{},\"n\":{n}}}", bench.number()));
    for line in &lines {
        vault.audit(line.clone()).await.unwrap();
    }
    let audit = format!("SELECT written_at, number, line FROM {}.lethe_audit", bench::shared());
    let rows = bench.session.query_unpaged(audit, ()).await.unwrap().into_rows_result().unwrap();
    let mut rows: Vec<(scylla::value::CqlTimestamp, i64, String)> = rows.rows().unwrap().map(Result::unwrap).collect();
    rows.retain(|(_, _, line)| lines.contains(line));
    rows.sort_by_key(|(at, number, _)| (at.0, *number));
    assert_eq!(rows.into_iter().map(|(_, _, line)| line).collect::<Vec<_>>(), lines);
}
