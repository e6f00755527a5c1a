//! The Deployment of the workers.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction,
            PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecretVolumeSource, SecurityContext,
            TopologySpreadConstraint, Volume, VolumeMount,
        },
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{ResourceExt, core::ObjectMeta};
use lethe_crds::ProfilePipeline;
use sha2::{Digest, Sha256};

use super::{PORT, metadata, replicas, selector, worker};
use crate::{
    context::Settings,
    names,
    pipeline::{
        config::Config,
        validate::{Mounted, Valid},
    },
};

/// Termination grace period in seconds. A worker drains for 8 s when it is stopped, and leaves its
/// group; the rest is for a slow node.
const GRACE: i64 = 30;
/// User and group id that workers run as.
const USER: i64 = 65532;

pub(super) fn build(pipeline: &ProfilePipeline, config: &Config, valid: &Valid, settings: &Settings) -> Deployment {
    Deployment {
        metadata: metadata(pipeline, worker(pipeline)),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas(pipeline)),
            // Old ReplicaSets name old ConfigMaps: as many as are kept.
            revision_history_limit: Some(3),
            selector: selector(pipeline),
            // A pod is removed before its successor starts: a surplus worker would make the group
            // reassign partitions twice.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(0)),
                    max_unavailable: Some(IntOrString::Int(1)),
                }),
            }),
            template: template(pipeline, config, valid, settings),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn template(pipeline: &ProfilePipeline, config: &Config, valid: &Valid, settings: &Settings) -> PodTemplateSpec {
    let name = pipeline.name_any();
    let workers = pipeline.spec.workers.clone().unwrap_or_default();
    // The operator's labels win over the user's: it selects its pods by them.
    let mut labels = workers.pod_labels.unwrap_or_default();
    labels.extend(names::labels(&name));
    let mut annotations = workers.pod_annotations.unwrap_or_default();
    annotations.insert(names::CONFIG.to_owned(), names::config(&name, &config.hash));
    annotations.insert(names::SECRETS.to_owned(), checksum(&valid.secrets));
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }),
        spec: Some(PodSpec {
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            service_account_name: Some(workers.service_account_name.unwrap_or_else(|| worker(pipeline))),
            image_pull_secrets: workers.image_pull_secrets,
            node_selector: workers.node_selector,
            tolerations: workers.tolerations,
            affinity: workers.affinity,
            priority_class_name: workers.priority_class_name,
            termination_grace_period_seconds: Some(GRACE),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(USER),
                run_as_group: Some(USER),
                fs_group: Some(USER),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    ..SeccompProfile::default()
                }),
                ..PodSecurityContext::default()
            }),
            topology_spread_constraints: Some(
                ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map(|key| spread(pipeline, key)).into(),
            ),
            volumes: Some(volumes(&name, config, &valid.secrets)),
            containers: vec![Container {
                resources: workers.resources,
                ..container(pipeline, settings, &valid.secrets)
            }],
            ..PodSpec::default()
        }),
    }
}

fn container(pipeline: &ProfilePipeline, settings: &Settings, secrets: &[Mounted]) -> Container {
    let arguments = [
        "run",
        "-f",
        "/etc/lethe/config",
        "--secrets",
        "/etc/lethe/secrets",
        "--listen",
        "0.0.0.0:9090",
        "--quiet",
        "--log",
        "info",
        "--log-format",
        "json",
    ];
    let mount = |name: &str, path: String, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path,
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let mut mounts =
        vec![mount("config", "/etc/lethe/config".to_owned(), true), mount("tmp", "/tmp".to_owned(), false)];
    mounts.extend((0..).zip(secrets).map(|(number, secret)| {
        mount(&format!("secret-{number}"), format!("/etc/lethe/secrets/{}", secret.name), true)
    }));
    Container {
        name: "worker".to_owned(),
        image: Some(settings.image.clone()),
        image_pull_policy: settings.image_pull_policy.clone(),
        args: Some(arguments.map(str::to_owned).into()),
        // Workers detect members of another cluster in their consumer group by it.
        env: Some(vec![EnvVar { name: "LETHE_IDENTITY".to_owned(), value: pipeline.uid(), value_from: None }]),
        working_dir: Some("/tmp".to_owned()),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: PORT,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        // A worker whose stores don't answer is alive, but not ready.
        liveness_probe: Some(probe("/livez", 10, 6)),
        readiness_probe: Some(probe("/readyz", 5, 3)),
        volume_mounts: Some(mounts),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(3),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn volumes(name: &str, config: &Config, secrets: &[Mounted]) -> Vec<Volume> {
    let config_map =
        ConfigMapVolumeSource { name: names::config(name, &config.hash), ..ConfigMapVolumeSource::default() };
    let mut volumes = vec![
        Volume { name: "config".to_owned(), config_map: Some(config_map), ..Volume::default() },
        Volume { name: "tmp".to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() },
    ];
    volumes.extend((0..).zip(secrets).map(|(number, secret)| Volume {
        name: format!("secret-{number}"),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.name.clone()),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }));
    volumes
}

fn spread(pipeline: &ProfilePipeline, key: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(selector(pipeline)),
        ..TopologySpreadConstraint::default()
    }
}

/// Returns a checksum that changes when a Secret does. It covers UIDs and resource versions, so
/// that it reveals nothing about the Secrets' values.
fn checksum(secrets: &[Mounted]) -> String {
    let versions: BTreeMap<&str, &str> =
        secrets.iter().map(|secret| (secret.name.as_str(), secret.version.as_str())).collect();
    let mut hash = Sha256::new();
    for (name, version) in versions {
        hash.update(format!("{name}\n{version}\n"));
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
