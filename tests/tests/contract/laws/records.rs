//! Laws of the records that are found about one subject.

use crate::{
    event::{AGE, deletion, event, write},
    fixture::{
        Deletion, Expiry, RecordsStore,
        Shape::{Append, Latest},
        Subjects,
    },
};

fn millis(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

pub async fn a_subject_s_records_are_found_oldest_first_and_others_are_not<S: RecordsStore>(store: &S) {
    for shape in [Latest, Append] {
        let of = Subjects::new();
        let records = store.records(shape).await;
        let find = |subject| records.records_of(of.reference(subject));
        let mut sink = store.open(shape).await;
        let newest = event(1, "b", 9000);
        write(&mut sink, &of, &[newest.clone(), event(1, "a", 1000), event(2, "c", 5000)]).await;
        let found = find(1).await.unwrap().unwrap();
        let ids: Vec<&str> = found.iter().map(|record| &*record.event_id).collect();
        assert_eq!(ids, if shape == Latest { vec!["b"] } else { vec!["a", "b"] });
        let last = found.last().unwrap();
        assert_eq!(millis(&last.event_time), newest.time());
        assert_eq!(Expiry(millis(last.expires_at.as_deref().unwrap())), Expiry(newest.time() + AGE));
        assert!(last.deleted_at.is_none());
        let mut document: serde_json::Value = serde_json::from_str(last.document.as_deref().unwrap()).unwrap();
        let time = document.as_object_mut().unwrap().remove("event_time").unwrap();
        assert_eq!(millis(time.as_str().unwrap()), newest.time());
        assert_eq!(document, S::found(&newest, &of));
        assert!(find(3).await.unwrap().unwrap().is_empty());
    }
}

pub async fn of_a_deleted_subject_at_most_a_marker_is_found<S: RecordsStore>(store: &S) {
    for shape in [Latest, Append] {
        let of = Subjects::new();
        let records = store.records(shape).await;
        let mut sink = store.open(shape).await;
        let deleted = deletion(1, "d", 10_000);
        write(&mut sink, &of, &[event(1, "a", 1000), event(2, "c", 5000)]).await;
        write(&mut sink, &of, std::slice::from_ref(&deleted)).await;
        let found = records.records_of(of.reference(1)).await.unwrap().unwrap();
        match S::DELETION {
            Deletion::Hidden => assert!(found.is_empty()),
            Deletion::Marker => assert!(found.len() == 1 || (shape == Append && found.is_empty())),
        }
        for marker in found {
            assert!(marker.document.is_none());
            assert_eq!(millis(marker.deleted_at.as_deref().unwrap()), deleted.time());
        }
        assert_eq!(records.records_of(of.reference(2)).await.unwrap().unwrap().len(), 1);
    }
}

pub async fn a_place_that_is_not_there_holds_nothing<S: RecordsStore>(store: &S) {
    let records = store.absent().await;
    assert!(records.records_of(Subjects::new().reference(1)).await.unwrap().is_none());
}

/// Tests of these laws for a store.
macro_rules! records_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, records:
            a_subject_s_records_are_found_oldest_first_and_others_are_not,
            of_a_deleted_subject_at_most_a_marker_is_found,
            a_place_that_is_not_there_holds_nothing,
        }
    };
}
pub(crate) use records_laws;
