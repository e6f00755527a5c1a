//! The loader, the checks and the compiler on any text: no panic, and an end in bounded time, which
//! libFuzzer's `-timeout` enforces. The first byte decides whether the text must be JSON.

#![no_main]

use lethe_core::{
    pipeline::{KEYS_SECRET_TYPE, Mistake, Pipeline, SecretSight, StoreKind, Surroundings},
    plan::Plan,
};
use lethe_crds::load::read_text;
use libfuzzer_sys::fuzz_target;

/// Every object that a pipeline refers to exists.
struct Anything;

impl Surroundings for Anything {
    fn store_kind(&self, name: &str) -> Option<StoreKind> {
        Some(match name.as_bytes().first()? {
            b'k' => StoreKind::Kafka,
            b'c' => StoreKind::Cassandra,
            b'm' => StoreKind::Mongodb,
            _ => StoreKind::Embedded,
        })
    }

    fn config_map(&self, _: &str, key: &str) -> Option<String> {
        Some(key.to_owned())
    }

    fn secret(&self, _: &str) -> SecretSight {
        SecretSight::OfType(KEYS_SECRET_TYPE.to_owned())
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let name = if choice & 1 == 0 { "a.yaml" } else { "a.json" };
    let resources = match read_text(name, text) {
        Ok(resources) => resources,
        Err(error) => return assert!(!error.mistakes.is_empty(), "refused for no reason"),
    };
    for pipeline in resources.pipelines() {
        match Pipeline::check(pipeline, &Anything) {
            Ok(checked) => assert!(Plan::new(&checked.pipeline).is_ok(), "what was checked doesn't compile"),
            Err(mistakes) => assert!(mistakes.iter().any(Mistake::is_error), "refused for no reason"),
        }
    }
});
