//! Instruments of example pipelines.

use std::sync::Arc;

use super::super::{Instruments, PipelineInfo, SourceInfo};

/// Returns the instruments of a pipeline from a topic to two sinks.
pub(in crate::observe) fn kafka() -> Arc<Instruments> {
    Instruments::new(PipelineInfo {
        source: SourceInfo::Kafka { topic: "user_profiles".to_owned(), group: "lethe.shop.profiles".to_owned() },
        ..info()
    })
}

/// Returns the instruments of a pipeline from files to two sinks.
pub(in crate::observe) fn file() -> Arc<Instruments> {
    Instruments::new(info())
}

fn info() -> PipelineInfo {
    PipelineInfo {
        pipeline: "shop.profiles".to_owned(),
        sinks: vec!["profiles".to_owned(), "history".to_owned()],
        config_hash: "5d41402abc4b".to_owned(),
        revision: 0,
        source: SourceInfo::File { path: "in/*.ndjson".to_owned() },
    }
}

/// Returns the labels of a line of an exposition. Assumes that no value contains a comma, a quote
/// or a brace.
pub(in crate::observe) fn labels(line: &str) -> Vec<(&str, &str)> {
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
