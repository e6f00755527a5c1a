//! The Service for workers' metrics: headless, so that each pod has a DNS name.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt;
use lethe_crds::ProfilePipeline;

use super::{PORT, metadata, worker};
use crate::names;

pub(super) fn build(pipeline: &ProfilePipeline) -> Service {
    Service {
        metadata: metadata(pipeline, worker(pipeline)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            selector: Some(names::selector(&pipeline.name_any())),
            // Metrics matter most for a worker that is not ready.
            publish_not_ready_addresses: Some(true),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String("http".to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
