//! Asks for the offsets of many partitions at once: one request to the group's coordinator, and two
//! to each broker. A partition that can't be asked for now is left out, and delays no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaResult,
    topic_partition_list::TopicPartitionListElem,
};

use crate::kafka::{
    connect::committed_texts,
    source::start::{Bounds, Committed, committed_topic_id},
};

/// Timeout of one request to the cluster.
pub(crate) const ASKING: Duration = Duration::from_secs(5);

/// Returns the oldest and the last stable offset of those partitions that have a leader.
/// `Bounds::high` is the last stable offset, too: see [`high`].
pub(crate) fn bounds<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &BTreeSet<i32>,
) -> KafkaResult<BTreeMap<i32, Bounds>> {
    let led = led(consumer, topic, partitions)?;
    if led.is_empty() {
        return Ok(BTreeMap::new());
    }
    let low = ask(consumer, topic, &led, Offset::Beginning)?;
    let stable = ask(consumer, topic, &led, Offset::End)?;
    let both = led.into_iter().filter_map(|partition| {
        let (low, stable) = (*low.get(&partition)?, *stable.get(&partition)?);
        Some((partition, Bounds { low, stable, high: stable }))
    });
    Ok(both.collect())
}

/// Returns the ends of partitions, with the records of open transactions, for a consumer that reads
/// uncommitted records.
pub(crate) fn high<C: ConsumerContext>(
    uncommitted: &BaseConsumer<C>,
    topic: &str,
    partitions: &BTreeSet<i32>,
) -> KafkaResult<BTreeMap<i32, u64>> {
    ask(uncommitted, topic, partitions, Offset::End)
}

/// Returns what the group has committed for these partitions. A partition whose offset can't be read
/// now is absent.
pub(crate) fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: impl Iterator<Item = i32>,
) -> KafkaResult<BTreeMap<i32, Option<Committed>>> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked.add_partition(topic, partition);
    }
    let found = consumer.committed_offsets(asked, ASKING)?;
    let texts: BTreeMap<i32, Vec<u8>> = committed_texts(&found).into_iter().collect();
    let known = found.elements().into_iter().filter(|element| element.error().is_ok()).map(|element| {
        let partition = element.partition();
        let topic_id = texts.get(&partition).and_then(|text| committed_topic_id(text));
        (partition, offset(&element).map(|offset| Committed { offset, topic_id }))
    });
    Ok(known.collect())
}

/// Returns those of these partitions that have a leader. A request for another one waits for its
/// leader until it times out.
fn led<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &BTreeSet<i32>,
) -> KafkaResult<BTreeSet<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), ASKING)?;
    let all = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
    let led = all.filter(|partition| partition.leader() >= 0).map(rdkafka::metadata::MetadataPartition::id);
    Ok(led.filter(|partition| partitions.contains(partition)).collect())
}

fn ask<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &BTreeSet<i32>,
    at: Offset,
) -> KafkaResult<BTreeMap<i32, u64>> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked.add_partition_offset(topic, *partition, at)?;
    }
    // The protocol expresses both ends as times, whose numbers are those of the offsets `Beginning`
    // and `End`.
    let found = consumer.offsets_for_times(asked, ASKING)?;
    let known = found.elements().into_iter().filter(|element| element.error().is_ok());
    Ok(known.filter_map(|element| Some((element.partition(), offset(&element)?))).collect())
}

fn offset(element: &TopicPartitionListElem<'_>) -> Option<u64> {
    match element.offset() {
        Offset::Offset(offset) => u64::try_from(offset).ok(),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    }
}
