//! Decides the offset from which an assigned partition is read.
//!
//! The group's committed offset may not fit the partition: retention removed the records after it,
//! the topic was deleted and created again, or an unclean election truncated the log. An offset
//! alone doesn't tell these apart. So the id of the topic is committed with each offset, as text.

/// What a group committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: u64,
    /// The id of the topic that the offset belongs to. `None` if it is not known: an earlier
    /// version or another program committed the offset, or the brokers have no ids.
    pub(crate) topic_id: Option<String>,
}

/// The offsets of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Offset of the oldest record.
    pub(crate) low: u64,
    /// Offset before which no transaction is open.
    pub(crate) stable: u64,
    /// Offset after the newest record, also of open transactions.
    pub(crate) high: u64,
}

/// Where to start without an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// At the oldest record.
    Earliest,
    /// After the newest record.
    Latest,
    /// At the oldest record: the worker has read an earlier topic of this name.
    Replaced,
}

/// Why a partition is read from its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The group continues at its committed offset.
    Committed,
    /// The group has no offset for the partition, or the run starts over.
    First,
    /// The source's retention removed this many records before the group read them. The partition
    /// is read from its oldest record.
    Expired(u64),
    /// The topic was deleted and created again. The partition is read from its oldest record.
    TopicReplaced,
    /// The partition lost this many records that the group had read, as after an unclean election.
    /// The partition is read from its end.
    Truncated(u64),
}

/// Returns the offset from which a partition is read, and why.
pub(crate) fn start(
    committed: Option<&Committed>,
    topic_id: Option<&str>,
    bounds: Bounds,
    otherwise: Otherwise,
) -> (u64, Start) {
    let Bounds { low, stable, high } = bounds;
    let Some(committed) = committed else {
        return match otherwise {
            Otherwise::Earliest => (low, Start::First),
            Otherwise::Latest => (stable, Start::First),
            Otherwise::Replaced => (low, Start::TopicReplaced),
        };
    };
    let offset = committed.offset;
    match (committed.topic_id.as_deref(), topic_id) {
        (Some(of_commit), Some(of_topic)) if of_commit != of_topic => (low, Start::TopicReplaced),
        (Some(_), Some(_)) if offset > high => (high, Start::Truncated(offset - high)),
        // Without ids a truncated log looks the same. To read it again changes nothing.
        _ if offset > high => (low, Start::TopicReplaced),
        _ if offset < low => (low, Start::Expired(low - offset)),
        _ => (offset, Start::Committed),
    }
}

/// The form of the text that is committed with an offset.
const FORM: &str = "lethe/1";

/// Returns the text to commit with an offset.
pub(crate) fn committed_text(topic_id: Option<&str>) -> String {
    topic_id.map_or_else(String::new, |id| format!("{FORM} topic={id}"))
}

/// Returns the id of the topic in the text that was committed with an offset.
pub(crate) fn committed_topic_id(text: &[u8]) -> Option<String> {
    let mut words = std::str::from_utf8(text).ok()?.split(' ');
    (words.next() == Some(FORM)).then_some(())?;
    words.find_map(|word| word.strip_prefix("topic=")).filter(|id| !id.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { low: 20, stable: 90, high: 100 };

    fn committed(offset: u64, topic_id: Option<&str>) -> Committed {
        Committed { offset, topic_id: topic_id.map(str::to_owned) }
    }

    fn start_at(offset: u64, of_commit: Option<&str>, of_topic: Option<&str>) -> (u64, Start) {
        start(Some(&committed(offset, of_commit)), of_topic, BOUNDS, Otherwise::Latest)
    }

    #[test]
    fn an_offset_within_the_partition_is_continued() {
        for ids in [(Some("a"), Some("a")), (None, Some("a")), (Some("a"), None), (None, None)] {
            for offset in [20, 50, 95, 100] {
                assert_eq!(start_at(offset, ids.0, ids.1), (offset, Start::Committed), "{offset} {ids:?}");
            }
        }
    }

    #[test]
    fn an_offset_of_another_topic_is_never_continued() {
        for offset in [0, 20, 50, 100, 150] {
            assert_eq!(start_at(offset, Some("a"), Some("b")), (20, Start::TopicReplaced), "{offset}");
        }
    }

    #[test]
    fn an_offset_behind_the_end_is_a_truncation_only_if_the_topic_is_the_same() {
        assert_eq!(start_at(130, Some("a"), Some("a")), (100, Start::Truncated(30)));
        for ids in [(None, Some("a")), (Some("a"), None), (None, None)] {
            assert_eq!(start_at(130, ids.0, ids.1), (20, Start::TopicReplaced), "{ids:?}");
        }
    }

    #[test]
    fn records_that_expired_unread_are_counted() {
        assert_eq!(start_at(5, Some("a"), Some("a")), (20, Start::Expired(15)));
        assert_eq!(start_at(5, None, None), (20, Start::Expired(15)));
    }

    #[test]
    fn without_an_offset_the_manifest_decides_unless_the_topic_was_replaced() {
        let first = |otherwise| start(None, Some("a"), BOUNDS, otherwise);
        assert_eq!(first(Otherwise::Earliest), (20, Start::First));
        assert_eq!(first(Otherwise::Latest), (90, Start::First));
        assert_eq!(first(Otherwise::Replaced), (20, Start::TopicReplaced));
    }

    #[test]
    fn the_text_of_a_commit_keeps_its_form() {
        assert_eq!(committed_text(Some("Dgkb6K0HTyKQ2lFGwYqLfQ")), "lethe/1 topic=Dgkb6K0HTyKQ2lFGwYqLfQ");
        assert_eq!(committed_text(None), "");
        assert_eq!(
            committed_topic_id(b"lethe/1 topic=Dgkb6K0HTyKQ2lFGwYqLfQ").as_deref(),
            Some("Dgkb6K0HTyKQ2lFGwYqLfQ")
        );
        // A later version may add words.
        assert_eq!(committed_topic_id(b"lethe/1 epoch=3 topic=x").as_deref(), Some("x"));
        for other in [&b""[..], b"lethe/1", b"lethe/1 topic=", b"topic=x", b"lethe/2 topic=x", b"\xff\xfe", b"{}"] {
            assert_eq!(committed_topic_id(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_record_is_skipped_that_the_partition_holds_and_the_group_has_not_read(
            offset in prop::option::of(0..200_u64),
            ids in (prop::option::of("[ab]"), prop::option::of("[ab]")),
            (low, stable, high) in (0..100_u64, 0..50_u64, 0..50_u64).prop_map(|(low, a, b)| (low, low + a, low + a + b)),
            replaced in any::<bool>(),
        ) {
            let committed = offset.map(|offset| committed(offset, ids.0.as_deref()));
            let otherwise = if replaced { Otherwise::Replaced } else { Otherwise::Earliest };
            let bounds = Bounds { low, stable, high };
            let (position, why) = start(committed.as_ref(), ids.1.as_deref(), bounds, otherwise);
            prop_assert!((low..=high).contains(&position));
            let same = ids.0.is_none() || ids.1.is_none() || ids.0 == ids.1;
            match offset {
                Some(offset) if same => prop_assert!(position <= offset.max(low), "{why:?}"),
                Some(_) | None => prop_assert_eq!(position, low),
            }
        }

        #[test]
        fn any_id_is_read_back_and_no_text_panics(id in "[A-Za-z0-9_-]{1,22}", text in prop::collection::vec(any::<u8>(), 0..40)) {
            let written = committed_text(Some(&id));
            prop_assert_eq!(committed_topic_id(written.as_bytes()), Some(id));
            let _ = committed_topic_id(&text);
        }
    }
}
