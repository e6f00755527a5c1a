//! What librdkafka can do and its wrapper doesn't offer. The only unsafe code of the project.
#![allow(unsafe_code)]

use std::ffi::CString;

use rdkafka::{ClientContext, bindings::rd_kafka_brokers_add, client::Client};

/// Gives a client brokers to ask, as `host:port,host:port`; answers how many it understood.
pub(crate) fn add_brokers<C: ClientContext>(client: &Client<C>, servers: &str) -> usize {
    let Ok(servers) = CString::new(servers) else { return 0 };
    // SAFETY: the handle is the client's own and lives as long as the client, which is borrowed; librdkafka
    // locks it, from whatever thread this is called, and copies the string.
    let added = unsafe { rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
    usize::try_from(added).unwrap_or(0)
}
