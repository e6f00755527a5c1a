//! How rows expire.

use std::time::Duration;

use lethe_core::outcome::Outcome::*;
use lethe_crds::profile_pipeline::Records::{Append, Latest};

use super::{fixture::Expiry, *};

#[tokio::test]
async fn an_event_whose_life_is_over_is_not_written() {
    let fixture = CassandraFixture::new().await;
    let now = jiff::Timestamp::now().as_millisecond();
    for records in [Latest, Append] {
        fixture.renew();
        let mut sink = fixture.sink(records).await;
        // Less than a second is too short: a TTL of 0 would mean no expiry.
        let over = [-AGE, -1, 0, 900].map(|left| Some(now + left));
        for (who, expires) in (0..).zip(over) {
            let answers = fixture.write(&mut sink, &[Event { expires, ..event(who, "a", 1000) }]).await;
            assert_eq!(answers, [Ok(Expired)]);
        }
        assert!(fixture.dump(&CassandraFixture::table(records)).await.is_empty());
    }
}

#[tokio::test]
async fn a_row_ends_when_its_event_is_too_old_and_a_replay_does_not_bring_it_back() {
    let fixture = CassandraFixture::new().await;
    let table = CassandraFixture::table(Latest);
    let now = || jiff::Timestamp::now().as_millisecond();
    let expires = now() + 6000;
    let brief = Event { expires: Some(expires), ..event(1, "a", 1000) };
    assert_eq!(fixture.write(&mut fixture.sink(Latest).await, std::slice::from_ref(&brief)).await, [Ok(Delivered)]);
    let rows = fixture.dump(&table).await;
    assert_eq!(rows[0].expires, Some(Expiry(expires)));
    loop {
        // Cassandra counts whole seconds. A look lasts, so each bound is taken on its safe side:
        // a row was seen no later than the look began, and was gone no earlier than it ended.
        let began = now();
        let gone = fixture.dump(&table).await.is_empty();
        if gone {
            assert!(now() >= expires - 1000, "gone {} ms too early", expires - now());
            break;
        }
        assert!(began <= expires + 1000, "there {} ms too long", began - expires);
        // Replayed while it lives: that lengthens nothing.
        fixture.write(&mut fixture.sink(Latest).await, std::slice::from_ref(&brief)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let late = fixture.write(&mut fixture.sink(Latest).await, &[brief]).await;
    assert_eq!((late, fixture.dump(&table).await), (vec![Ok(Expired)], Vec::new()));
}
