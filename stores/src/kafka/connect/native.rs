//! Functions of librdkafka that the `rdkafka` crate does not offer. This is the only unsafe code of
//! the project.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    ptr::{null, null_mut},
    slice,
};

use rdkafka::{
    ClientContext,
    bindings::{rd_kafka_brokers_add, rd_kafka_header_get_all, rd_kafka_message_headers},
    client::Client,
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
