//! The laws of every store. Each law is written once, over the traits of `lethe_stores`, and runs
//! against every store that keeps it: `cargo test --test contract cassandra::` runs Cassandra's.
//!
//! `laws/` has the laws by trait. A file for each store says how a law opens it and how its content
//! is read back, and lists the laws that it keeps. A law that only some stores can keep is bound to
//! a trait of its own (`RefusingStore`, say), which only those stores implement.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod cassandra;
mod embedded;
mod event;
mod file;
mod fixture;
mod kafka;
mod laws;
mod model;
mod mongodb;
mod stored_format;

use std::sync::LazyLock;

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::{Handle, Runtime};

use fixture::Fixture;

/// One runtime for the whole binary, so that tests share their connections.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap());

/// Runs one law against a store of its own.
fn check<S: Fixture>(law: impl AsyncFnOnce(&S)) {
    RUNTIME.block_on(async {
        let store = S::new().await;
        law(&store).await;
        store.end().await;
    });
}

/// Runs `law` with generated values; a failure is reported with the smallest value that fails.
fn for_all<T: std::fmt::Debug>(cases: u32, values: impl Strategy<Value = T>, law: impl AsyncFn(T)) {
    let config = Config { failure_persistence: None, ..Config::with_cases(cases) };
    let outcome = TestRunner::new(config).run(&values, |value| {
        tokio::task::block_in_place(|| Handle::current().block_on(law(value)));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
