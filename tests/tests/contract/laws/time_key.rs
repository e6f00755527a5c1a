//! Laws of tables that hold every event by its time and id. An id that comes with two times is two
//! events there.

use crate::{
    event::{events, replays},
    fixture::{Shape::AppendByTime, TableStore},
    for_all,
    laws::table::{greater_ids_stay, is_replayed},
};

pub async fn an_append_table_ends_as_the_model_in_any_order<S: TableStore>(store: &S) {
    for_all(S::CASES, replays(events()), async |replay| {
        is_replayed(store, AppendByTime, &replay.batches, &replay.events).await;
    });
}

pub async fn of_a_deletion_s_own_millisecond_the_events_with_greater_ids_stay<S: TableStore>(store: &S) {
    greater_ids_stay(store, AppendByTime).await;
}

/// Tests of these laws for a store.
macro_rules! time_key_laws {
    ($store:ident) => {
        crate::laws::keep! { $store, time_key:
            an_append_table_ends_as_the_model_in_any_order,
            of_a_deletion_s_own_millisecond_the_events_with_greater_ids_stay,
        }
    };
}
pub(crate) use time_key_laws;
