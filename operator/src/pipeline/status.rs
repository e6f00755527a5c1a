//! The status of a pipeline: conditions at every reconcile, the workers' numbers at an interval.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Resource, ResourceExt, api::PostParams};
use lethe_crds::{
    ProfilePipeline,
    profile_pipeline::{ProfilePipelineStatus, WorkersStatus},
};

use super::{apply::Applied, build::replicas, validate::Refusal};
use crate::{
    conditions::{APPLIED, DesiredCondition, GROUP_SHARED, READY, RECONCILING, Reason, STALLED, merge},
    context::Context,
    fault::Fault,
    names,
};

/// The state of a Deployment's roll-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolloutState {
    /// Pods that the Deployment declares.
    pub wanted: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Whether pods are being replaced, added or removed.
    pub rolling: bool,
    /// Whether pods are still expected to become ready. Kubernetes gives up after ten minutes.
    pub settling: bool,
}

impl RolloutState {
    /// Returns the state of a Deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let status = deployment.status.clone().unwrap_or_default();
        let observed = status.observed_generation >= deployment.metadata.generation;
        let updated = status.updated_replicas.unwrap_or(0);
        let all = status.replicas.unwrap_or(0);
        let ready = status.ready_replicas.unwrap_or(0);
        let rolling = !observed || updated < wanted || all != wanted;
        let given_up = status.conditions.iter().flatten().any(|condition| {
            condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
        });
        Self { wanted, ready, rolling, settling: (rolling || ready < wanted) && !(observed && given_up) }
    }
}

/// Returns the conditions of a pipeline that was not reconciled yet.
pub fn initial_conditions() -> Vec<DesiredCondition> {
    [READY, RECONCILING, STALLED, APPLIED]
        .map(|kind| DesiredCondition::unknown(kind, Reason::Observing, "it is being looked at"))
        .into()
}

/// Returns the conditions of a pipeline after a reconcile. Pure.
pub fn conditions(
    pipeline: &ProfilePipeline,
    refusal: Option<&Refusal>,
    rollout: Option<RolloutState>,
    applied: &Applied,
) -> Vec<DesiredCondition> {
    let (rollout, queued) = (rollout.unwrap_or_default(), applied.queued);
    if let Some(refusal) = refusal {
        let running = match rollout.ready {
            0 => "no worker runs".to_owned(),
            1 => "1 worker of the last good plan runs on".to_owned(),
            ready => format!("{ready} workers of the last good plan run on"),
        };
        let message = format!("{}; {running}", refusal.message);
        return vec![
            DesiredCondition::new(READY, false, refusal.reason, message),
            DesiredCondition::new(RECONCILING, false, refusal.reason, ""),
            DesiredCondition::new(STALLED, true, refusal.reason, &refusal.message),
            DesiredCondition::new(APPLIED, false, refusal.reason, &refusal.message),
        ];
    }
    let of = format!("{} of {} ready", rollout.ready, rollout.wanted);
    let (ready, reason, message) = if pipeline.spec.suspend == Some(true) {
        (false, Reason::Suspended, "spec.suspend is true: no worker runs; offsets stay where they are".to_owned())
    } else if replicas(pipeline) == 0 {
        (false, Reason::ScaledToZero, "spec.replicas is 0: no worker runs; offsets stay where they are".to_owned())
    } else if queued {
        (
            rollout.ready >= rollout.wanted,
            Reason::RolloutQueued,
            format!("{of}; the new version waits for others that roll"),
        )
    } else if rollout.rolling {
        (false, Reason::RollingOut, of)
    } else if rollout.ready < rollout.wanted {
        (false, Reason::WorkersNotReady, format!("{of}: look at their pods and logs"))
    } else {
        (true, Reason::WorkersReady, of)
    };
    let warnings: String = applied.warnings.iter().map(|warning| format!("\n{warning}")).collect();
    vec![
        DesiredCondition::new(READY, ready, reason, message.clone()),
        DesiredCondition::new(RECONCILING, rollout.rolling || queued, reason, message),
        DesiredCondition::new(STALLED, false, Reason::AsDeclared, ""),
        DesiredCondition::new(
            APPLIED,
            true,
            Reason::AsDeclared,
            format!("everything that is declared is in the cluster{warnings}"),
        ),
    ]
}

/// The parts of a new status.
pub struct StatusUpdate {
    /// The conditions.
    pub conditions: Vec<DesiredCondition>,
    /// The state of the Deployment, if there is one.
    pub rollout: Option<RolloutState>,
    /// What the workers report; `None`: not polled, the former report is kept.
    pub workers: Option<WorkersStatus>,
}

/// Writes the status if it changed, and publishes Events about new reasons.
pub async fn write(pipeline: &ProfilePipeline, update: &StatusUpdate, context: &Context) -> Result<(), Fault> {
    let before = pipeline.status.clone().unwrap_or_default();
    let generation = pipeline.metadata.generation;
    let name = pipeline.name_any();
    let selector: Vec<String> = names::selector(&name).iter().map(|(key, value)| format!("{key}={value}")).collect();
    let is_initial = update.rollout.is_none() && update.conditions.iter().all(|condition| condition.status.is_none());
    let workers = update.workers.clone().or_else(|| before.workers.clone());
    let shared = workers.as_ref().and_then(group_shared);
    let conditions: Vec<DesiredCondition> = update.conditions.iter().chain(&shared).cloned().collect();
    let status = ProfilePipelineStatus {
        observed_generation: generation,
        conditions: merge(&before.conditions, &conditions, generation, Timestamp::now()),
        replicas: Some(update.rollout.unwrap_or_default().ready),
        selector: Some(selector.join(",")),
        workers,
        last_handled_reconcile_at: if is_initial {
            before.last_handled_reconcile_at.clone()
        } else {
            pipeline.annotations().get(names::REQUESTED_AT).cloned()
        },
    };
    if status == before {
        return Ok(());
    }
    let api: Api<ProfilePipeline> = Api::namespaced(context.client.clone(), &pipeline.namespace().unwrap_or_default());
    let written = ProfilePipeline { status: Some(status), ..pipeline.clone() };
    let parameters = PostParams { field_manager: Some(names::PIPELINE_MANAGER.to_owned()), ..PostParams::default() };
    api.replace_status(&name, &parameters, &written)
        .await
        .map_err(Fault::api(format!("write the status of {name}")))?;
    let ready = update.conditions.iter().find(|condition| condition.kind == READY);
    let was = before.conditions.iter().find(|condition| condition.type_ == READY).map(|ready| ready.reason.as_str());
    if let Some(ready) = ready.filter(|ready| ready.status.is_some() && was != Some(ready.reason.name())) {
        let is_good = ready.status == Some(true)
            || matches!(ready.reason, Reason::RollingOut | Reason::Suspended | Reason::ScaledToZero);
        context.recorder.reason_changed(&pipeline.object_ref(&()), ready.reason, is_good, &ready.message).await;
    }
    if let Some(shared) = shared.filter(|_| !before.conditions.iter().any(|before| before.type_ == GROUP_SHARED)) {
        context.recorder.reason_changed(&pipeline.object_ref(&()), shared.reason, false, &shared.message).await;
    }
    Ok(())
}

/// Returns the condition about other members of the consumer group, if workers report any.
fn group_shared(workers: &WorkersStatus) -> Option<DesiredCondition> {
    let strangers = workers.strangers.filter(|strangers| *strangers > 0)?;
    let members = if strangers == 1 { "member is no worker" } else { "members are no workers" };
    let message = format!(
        "{strangers} {members} of this pipeline and get a part of its events: look for a pipeline of the same name in \
         another cluster, or a program in the same consumer group; spec.source.kafka.group names another"
    );
    Some(DesiredCondition::new(GROUP_SHARED, true, Reason::StrangersInGroup, message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pipeline(replicas: i32) -> ProfilePipeline {
        let text = include_str!("../../../examples/streaming/pipeline.yaml");
        let resources = lethe_crds::load::read_text("pipeline.yaml", text).unwrap();
        let mut pipeline = resources.pipelines().next().unwrap().clone();
        pipeline.spec.replicas = Some(replicas);
        pipeline
    }

    fn ready(refusal: Option<&Refusal>, rollout: RolloutState, queued: bool) -> (Option<bool>, Reason) {
        let applied = Applied { deployment: None, queued, written: false, warnings: Vec::new() };
        let conditions = conditions(&pipeline(2), refusal, Some(rollout), &applied);
        (conditions[0].status, conditions[0].reason)
    }

    #[test]
    fn ready_is_true_when_every_worker_runs_the_declared_plan() {
        let rollout = RolloutState { wanted: 2, ready: 2, rolling: false, settling: false };
        assert_eq!(ready(None, rollout, false), (Some(true), Reason::WorkersReady));
        assert_eq!(ready(None, RolloutState { ready: 1, ..rollout }, false), (Some(false), Reason::WorkersNotReady));
        assert_eq!(ready(None, RolloutState { rolling: true, ..rollout }, false), (Some(false), Reason::RollingOut));
        assert_eq!(ready(None, rollout, true), (Some(true), Reason::RolloutQueued));
        let refusal = Refusal { reason: Reason::StoreNotFound, message: "there is no DataStore x".to_owned() };
        assert_eq!(ready(Some(&refusal), rollout, false), (Some(false), Reason::StoreNotFound));
    }

    #[test]
    fn a_refusal_reports_how_many_workers_still_run() {
        let refusal = Refusal { reason: Reason::InvalidSpec, message: "wrong".to_owned() };
        let applied = Applied { deployment: None, queued: false, written: false, warnings: Vec::new() };
        let rollout = RolloutState { wanted: 1, ready: 1, rolling: false, settling: false };
        let of = |rollout: Option<RolloutState>| {
            conditions(&pipeline(1), Some(&refusal), rollout, &applied)[0].message.clone()
        };
        assert_eq!(of(Some(rollout)), "wrong; 1 worker of the last good plan runs on");
        assert_eq!(of(None), "wrong; no worker runs");
    }
}
