//! The ConfigMap that workers read. It is immutable: a changed plan gets a new ConfigMap, so that a
//! pod that restarts reads the same plan as before.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use lethe_crds::ProfilePipeline;

use super::metadata;
use crate::{names, pipeline::config::Config};

pub(super) fn build(pipeline: &ProfilePipeline, config: &Config) -> ConfigMap {
    ConfigMap {
        metadata: metadata(pipeline, names::config(&pipeline.name_any(), &config.hash)),
        data: Some(BTreeMap::from([
            ("pipeline.json".to_owned(), config.pipeline.clone()),
            ("stores.json".to_owned(), config.stores.clone()),
        ])),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}
