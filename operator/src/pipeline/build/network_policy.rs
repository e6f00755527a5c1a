//! The NetworkPolicy: only the port with metrics and status accepts connections. Egress is not
//! limited, because stores are often outside of the cluster.

use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use lethe_crds::ProfilePipeline;

use super::{PORT, metadata, selector, worker};

pub(super) fn build(pipeline: &ProfilePipeline) -> NetworkPolicy {
    NetworkPolicy {
        metadata: metadata(pipeline, worker(pipeline)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(pipeline)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                ports: Some(vec![NetworkPolicyPort {
                    port: Some(IntOrString::Int(PORT)),
                    protocol: Some("TCP".to_owned()),
                    ..NetworkPolicyPort::default()
                }]),
                ..NetworkPolicyIngressRule::default()
            }]),
            ..NetworkPolicySpec::default()
        }),
    }
}
