//! Functions of librdkafka that the `rdkafka` crate does not offer. This is the only unsafe code of
//! the project.
#![allow(unsafe_code)]

use std::ffi::CString;

use rdkafka::{ClientContext, bindings::rd_kafka_brokers_add, client::Client};

/// Adds brokers to a client, as `host:port,host:port`. Returns how many of them librdkafka could
/// parse.
pub(crate) fn add_brokers<C: ClientContext>(client: &Client<C>, servers: &str) -> usize {
    let Ok(servers) = CString::new(servers) else { return 0 };
    // SAFETY: the handle belongs to the client, which is borrowed, so it outlives this call.
    // librdkafka locks the handle, so any thread may call this. It copies the string.
    let added = unsafe { rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
    usize::try_from(added).unwrap_or(0)
}
