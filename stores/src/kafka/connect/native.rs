//! Functions of librdkafka that the `rdkafka` crate does not offer. This is the only unsafe code of
//! the project.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    os::raw::c_int,
    ptr::{self, null, null_mut},
    slice,
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    bindings::{
        rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_request_timeout,
        rd_kafka_DescribeTopics, rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
        rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_topic_id,
        rd_kafka_Uuid_base64str, rd_kafka_Uuid_least_significant_bits, rd_kafka_Uuid_most_significant_bits,
        rd_kafka_admin_op_t, rd_kafka_brokers_add, rd_kafka_error_code, rd_kafka_event_DescribeTopics_result,
        rd_kafka_event_destroy, rd_kafka_event_error, rd_kafka_event_t, rd_kafka_header_get_all,
        rd_kafka_message_headers, rd_kafka_position, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll,
    },
    client::Client,
    error::{IsError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
    types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
};

/// A header of a record: its name, which may be any bytes, and its value.
pub(crate) type RawHeader<'m> = (&'m [u8], Option<&'m [u8]>);

/// Adds brokers to a client, as `host:port,host:port`. Returns how many of them librdkafka could
/// parse.
pub(crate) fn add_brokers<C: ClientContext>(client: &Client<C>, servers: &str) -> usize {
    let Ok(servers) = CString::new(servers) else { return 0 };
    // SAFETY: the handle belongs to the client, which is borrowed, so it outlives this call.
    // librdkafka locks the handle, so any thread may call this. It copies the string.
    let added = unsafe { rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
    usize::try_from(added).unwrap_or(0)
}

/// Returns the id of a topic, which no other topic of the cluster ever has. Returns `None` if the
/// brokers give topics no ids, as before Kafka 2.8. Blocks up to `timeout`.
pub(crate) fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Option<String>, Code> {
    let name = CString::new(topic).map_err(|_| Code::InvalidTopic)?;
    let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    let handle = client.native_ptr();
    // SAFETY: the handle belongs to the client, which is borrowed, so it outlives this call. What
    // is created here is destroyed here, once. The request copies the names and the options. If no
    // answer arrived, librdkafka discards a late one, because it counts references to the queue.
    unsafe {
        let mut names = [name.as_ptr()];
        let topics = rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let options = rd_kafka_AdminOptions_new(handle, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        rd_kafka_AdminOptions_set_request_timeout(options, timeout, ptr::null_mut(), 0);
        let queue = rd_kafka_queue_new(handle);
        rd_kafka_DescribeTopics(handle, topics, options, queue);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_TopicCollection_destroy(topics);
        let event = rd_kafka_queue_poll(queue, timeout);
        let id = if event.is_null() { Err(Code::OperationTimedOut) } else { described_id(event) };
        if !event.is_null() {
            rd_kafka_event_destroy(event);
        }
        rd_kafka_queue_destroy(queue);
        id
    }
}

/// # Safety
///
/// The event must be a result of `rd_kafka_DescribeTopics` that is not destroyed yet.
unsafe fn described_id(event: *mut rd_kafka_event_t) -> Result<Option<String>, Code> {
    // SAFETY: the result, the description and the id belong to the event, which lives on until the
    // caller destroys it. Only this thread knows the event.
    unsafe {
        let code = rd_kafka_event_error(event);
        if code.is_error() {
            let code = code.into();
            return if code == Code::UnsupportedFeature { Ok(None) } else { Err(code) };
        }
        let result = rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(Code::Unknown);
        }
        let mut count = 0;
        let topics = rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count == 0 {
            return Err(Code::UnknownTopicOrPartition);
        }
        let error = rd_kafka_TopicDescription_error(*topics);
        if !error.is_null() && rd_kafka_error_code(error).is_error() {
            return Err(rd_kafka_error_code(error).into());
        }
        let id = rd_kafka_TopicDescription_topic_id(*topics);
        if id.is_null() || (rd_kafka_Uuid_most_significant_bits(id), rd_kafka_Uuid_least_significant_bits(id)) == (0, 0)
        {
            return Ok(None);
        }
        let text = rd_kafka_Uuid_base64str(id);
        Ok((!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned()))
    }
}

/// Returns the offset after everything that a consumer has received of a partition, with markers of
/// transactions, which are not shown to it. Returns `None` if it has received nothing.
pub(crate) fn position<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> Option<u64> {
    let mut asked = TopicPartitionList::with_capacity(1);
    asked.add_partition(topic, partition);
    // SAFETY: the handle and the list are borrowed, so they outlive this call. librdkafka locks the
    // partition and writes its offset into the list.
    let code = unsafe { rd_kafka_position(client.native_ptr(), asked.ptr()) };
    let found = asked.find_partition(topic, partition).map(|found| found.offset());
    match found {
        Some(Offset::Offset(offset)) if !code.is_error() => u64::try_from(offset).ok(),
        _ => None,
    }
}

/// Returns the text that was committed with the offset of each partition of a list. Any client of
/// the group may have written it, so it may be absent or not be UTF-8.
pub(crate) fn committed_texts(list: &TopicPartitionList) -> Vec<(i32, Vec<u8>)> {
    let count = list.count();
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the list is borrowed, so its elements and their texts outlive this call. It has
    // `count` elements, and a text has `metadata_size` bytes if its pointer is not null.
    unsafe {
        slice::from_raw_parts((*list.ptr()).elems, count)
            .iter()
            .filter(|element| !element.metadata.is_null())
            .map(|element| {
                let text = slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size);
                (element.partition, text.to_vec())
            })
            .collect()
    }
}

/// Returns the headers of a message. The iterator of the crate panics if a name is not UTF-8.
pub(crate) fn headers<'m>(message: &'m BorrowedMessage<'_>) -> impl Iterator<Item = RawHeader<'m>> {
    let mut all = null_mut();
    // SAFETY: the message is borrowed, so its pointer is valid. librdkafka parses its headers once,
    // and keeps them as long as the message.
    let found = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut all) } == RD_KAFKA_RESP_ERR_NO_ERROR;
    let count = if found { usize::MAX } else { 0 };
    (0..count).map_while(move |at| {
        let (mut name, mut value, mut size) = (null(), null(), 0);
        // SAFETY: `all` is valid, as above. The call writes to the three locals, or returns an error
        // behind the last header.
        let code = unsafe { rd_kafka_header_get_all(all, at, &raw mut name, &raw mut value, &raw mut size) };
        if code != RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: the name ends with a zero, and the value has `size` bytes. Both are part of the
        // message, which lives for 'm.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        let value = (!value.is_null()).then(|| match size {
            0 => &[][..],
            // SAFETY: as above.
            size => unsafe { slice::from_raw_parts(value.cast::<u8>(), size) },
        });
        Some((name, value))
    })
}
