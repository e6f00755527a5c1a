//! Laws of tables that refuse single records.

use lethe_core::{
    outcome::Outcome::{Delivered, Superseded},
    reason::Reason,
};
use lethe_stores::Answer;

use crate::{
    event::{Event, event, with_json, write},
    fixture::{
        RefusingStore,
        Shape::{Append, Latest},
        Subjects, ids,
    },
};

/// The rule by which a record was refused, and the field that broke it.
fn rule(answer: &Answer) -> (&'static str, Option<&str>) {
    let rejection = answer.as_ref().unwrap_err();
    assert_eq!(rejection.reason, Reason::SinkRefused);
    (rejection.rule.unwrap(), rejection.path.as_deref())
}

pub async fn a_record_that_can_not_be_written_is_refused_without_its_value_and_no_other_is<S: RefusingStore>(
    store: &S,
) {
    for shape in [Latest, Append] {
        let of = Subjects::new();
        let mut sink = store.open(shape).await;
        let events = [event(0, "right", 1000), with_json(1, "wrong", 1000, S::MISFIT), event(2, "right", 1000)];
        let answers = write(&mut sink, &of, &events).await;
        assert_eq!((&answers[0], &answers[2]), (&Ok(Delivered), &Ok(Delivered)));
        assert_eq!(rule(&answers[1]), S::MISFIT_RULE);
        assert!(!format!("{answers:?}").contains("hunter2"));
        assert_eq!(ids(&store.rows(shape, &of).await), ["right", "right"]);
    }
}

pub async fn a_refused_winner_makes_way_for_the_one_it_replaced<S: RefusingStore>(store: &S) {
    let of = Subjects::new();
    let mut sink = store.open(Latest).await;
    let misfit = |id: &str, version| with_json(1, id, version, S::MISFIT);
    let events = [event(1, "a", 1000), event(1, "b", 2000), misfit("c", 3000), misfit("d", 4000)];
    let answers = write(&mut sink, &of, &events).await;
    assert_eq!(answers[..2], [Ok(Superseded), Ok(Delivered)]);
    assert_eq!((rule(&answers[2]), rule(&answers[3])), (S::MISFIT_RULE, S::MISFIT_RULE));
    assert_eq!(ids(&store.rows(Latest, &of).await), ["b"]);
    // The one that is taken in its place ties with the row: no cell of the two may mix.
    let tied = with_json(1, "bb", 2000, r#"{"plan":"a"}"#);
    assert_eq!(write(&mut sink, &of, &[tied, misfit("e", 5000)]).await[0], Ok(Delivered));
    let row = store.rows(Latest, &of).await.remove(0).seen;
    assert_eq!((&*row.id, row.plan.as_deref(), row.city), ("bb", Some("a"), None));
}

pub async fn a_record_larger_than_the_store_takes_is_refused_and_a_large_one_is_written<S: RefusingStore>(store: &S) {
    for shape in [Latest, Append] {
        let of = Subjects::new();
        let mut sink = store.open(shape).await;
        let sized = |bytes: usize| format!("{{\"plan\":\"{}\"}}", "x".repeat(bytes));
        let sizes = std::iter::once(&S::LARGE).chain(S::TOO_LARGE);
        let mut events: Vec<Event> =
            (0..).zip(sizes).map(|(who, bytes)| with_json(who, "a", 1, &sized(*bytes))).collect();
        events.push(event(9, "b", 1));
        let answers = write(&mut sink, &of, &events).await;
        let [large, refused @ .., small] = &answers[..] else { unreachable!() };
        assert_eq!((large, small), (&Ok(Delivered), &Ok(Delivered)));
        assert!(refused.iter().all(|answer| rule(answer) == ("size", None)), "{refused:?}");
        assert_eq!(ids(&store.rows(shape, &of).await), ["a", "b"]);
    }
}

/// Tests of these laws for a store.
macro_rules! refusal_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, refusal:
            a_record_that_can_not_be_written_is_refused_without_its_value_and_no_other_is,
            a_refused_winner_makes_way_for_the_one_it_replaced,
            a_record_larger_than_the_store_takes_is_refused_and_a_large_one_is_written,
        }
    };
}
pub(crate) use refusal_laws;
