//! Instruments for tests.

use std::sync::Arc;

use super::{About, Instruments, Source};

/// Those of a pipeline from a topic to two sinks.
pub(super) fn kafka() -> Arc<Instruments> {
    Instruments::new(About {
        source: Source::Kafka { topic: "user_profiles".to_owned(), group: "lethe.shop.profiles".to_owned() },
        ..about()
    })
}

/// Those of a pipeline from files to two sinks.
pub(super) fn file() -> Arc<Instruments> {
    Instruments::new(about())
}

fn about() -> About {
    About {
        pipeline: "shop.profiles".to_owned(),
        sinks: vec!["profiles".to_owned(), "history".to_owned()],
        config_hash: "5d41402abc4b".to_owned(),
        revision: 0,
        source: Source::File { path: "in/*.ndjson".to_owned() },
    }
}

/// Labels of a line of an exposition. No value in tests holds a comma, a quote or a brace.
pub(super) fn labels(line: &str) -> Vec<(&str, &str)> {
    if line.starts_with('#') {
        return Vec::new();
    }
    let inner = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inner, _)| inner);
    inner
        .split(',')
        .filter_map(|one| one.split_once('='))
        .map(|(label, value)| (label, value.trim_matches('"')))
        .collect()
}
