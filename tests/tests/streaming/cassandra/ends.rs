//! How rows end: by a deletion, and by their age.

use std::time::Duration;

use lethe_core::outcome::Outcome::*;
use lethe_crds::profile_pipeline::Records::{Append, Latest};

use super::{bench::Expiry, bench::ids, *};

#[tokio::test]
async fn a_deleted_profile_is_gone_and_a_late_event_does_not_bring_it_back() {
    let bench = Bench::new().await;
    let table = Bench::table(Latest);
    let mut sink = bench.sink(Latest).await;
    bench.write(&mut sink, &[event(1, "a", 1000), event(2, "n", 1000)]).await;
    assert_eq!(bench.write(&mut sink, &[deletion(1, "d", 2000)]).await, [Ok(Deleted)]);
    assert_eq!(ids(&bench.dump(&table).await), ["n"]);
    assert_eq!(bench.write(&mut sink, &[event(1, "b", 1500)]).await, [Ok(Stale)]);
    // Another worker, which has written no deletion itself.
    bench.write(&mut bench.sink(Latest).await, &[event(1, "a", 1000), event(1, "b", 1500)]).await;
    assert_eq!(ids(&bench.dump(&table).await), ["n"]);
    assert_eq!(bench.write(&mut sink, &[event(1, "e", 3000)]).await, [Ok(Delivered)]);
    bench.write(&mut bench.sink(Latest).await, &[deletion(1, "d", 2000)]).await;
    assert_eq!(ids(&bench.dump(&table).await), ["e", "n"]);
}

#[tokio::test]
async fn a_deletion_empties_a_subject_s_history_and_a_replay_brings_nothing_back() {
    let bench = Bench::new().await;
    let table = Bench::table(Append);
    let mut sink = bench.sink(Append).await;
    let history = [event(1, "a", 1000), event(1, "b", 2000), event(2, "c", 1500), event(1, "z", 9000)];
    bench.write(&mut sink, &history).await;
    assert_eq!(bench.write(&mut sink, &[deletion(1, "d", 3000)]).await, [Ok(Deleted)]);
    let after = bench.dump(&table).await;
    assert_eq!(ids(&after), ["z", "c"]);
    let mut other = bench.sink(Append).await;
    for sink in [&mut sink, &mut other] {
        assert!(bench.write(sink, &history).await.iter().all(|answer| *answer == Ok(Delivered)));
        assert_eq!(bench.write(sink, &[deletion(1, "d", 3000)]).await, [Ok(Deleted)]);
    }
    assert_eq!(bench.dump(&table).await, after);
}

#[tokio::test]
async fn of_a_deletion_s_own_millisecond_the_events_with_greater_ids_stay() {
    let bench = Bench::new().await;
    let by_id = CassandraTable { sink: declared(&bench::shared(), "events", &["event_id"]), ..Bench::table(Append) };
    for table in [Bench::table(Append), by_id] {
        bench.renew();
        let mut sink = bench.open(&table).await;
        // `b` was rewritten since: it is the same event.
        bench.write(&mut sink, &[event(1, "a", 5000), event(1, "b", 5004), event(1, "e", 5000)]).await;
        bench.write(&mut sink, &[deletion(1, "d", 5000), event(1, "c", 5000), event(1, "f", 5000)]).await;
        assert_eq!(ids(&bench.dump(&table).await), ["e", "f"]);
    }
}

#[tokio::test]
async fn an_event_whose_life_is_over_is_not_written() {
    let bench = Bench::new().await;
    let now = jiff::Timestamp::now().as_millisecond();
    for records in [Latest, Append] {
        bench.renew();
        let mut sink = bench.sink(records).await;
        // Less than a second is no life: a time to live of zero would mean for ever.
        let over = [-AGE, -1, 0, 900].map(|left| Some(now + left));
        for (who, expires) in (0..).zip(over) {
            let answers = bench.write(&mut sink, &[Event { expires, ..event(who, "a", 1000) }]).await;
            assert_eq!(answers, [Ok(Expired)]);
        }
        assert!(bench.dump(&Bench::table(records)).await.is_empty());
    }
}

#[tokio::test]
async fn a_row_ends_when_its_event_is_too_old_and_a_replay_does_not_bring_it_back() {
    let bench = Bench::new().await;
    let table = Bench::table(Latest);
    let now = || jiff::Timestamp::now().as_millisecond();
    let expires = now() + 6000;
    let brief = Event { expires: Some(expires), ..event(1, "a", 1000) };
    assert_eq!(bench.write(&mut bench.sink(Latest).await, std::slice::from_ref(&brief)).await, [Ok(Delivered)]);
    let rows = bench.dump(&table).await;
    assert_eq!(rows[0].expires, Some(Expiry(expires)));
    loop {
        // Cassandra counts whole seconds. A look lasts, so each bound is taken on its safe side:
        // a row was seen no later than the look began, and was gone no earlier than it ended.
        let began = now();
        let gone = bench.dump(&table).await.is_empty();
        if gone {
            assert!(now() >= expires - 1000, "gone {} ms too early", expires - now());
            break;
        }
        assert!(began <= expires + 1000, "there {} ms too long", began - expires);
        // Replayed while it lives: that lengthens nothing.
        bench.write(&mut bench.sink(Latest).await, std::slice::from_ref(&brief)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let late = bench.write(&mut bench.sink(Latest).await, &[brief]).await;
    assert_eq!((late, bench.dump(&table).await), (vec![Ok(Expired)], Vec::new()));
}

#[tokio::test]
async fn without_an_age_a_row_stays_for_ever() {
    let bench = Bench::new().await;
    let table = Bench::table(Latest);
    let mut sink = bench.sink(Latest).await;
    let mut batch = batch(&bench, &[event(1, "a", 1000)]);
    batch.records[0].expires = None;
    assert_eq!(sink.write(&batch).await.unwrap(), [Ok(Delivered)]);
    assert_eq!(bench.dump(&table).await[0].expires, None);
}
