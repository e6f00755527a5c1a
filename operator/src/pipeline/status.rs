//! What is told of a pipeline: conditions at once, numbers once a minute.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Resource, ResourceExt, api::PostParams};
use lethe_crds::{
    ProfilePipeline,
    profile_pipeline::{ProfilePipelineStatus, WorkersStatus},
};

use super::{apply::Applied, build::replicas, validate::Refusal};
use crate::{
    conditions::{APPLIED, GROUP_SHARED, READY, RECONCILING, Reason, STALLED, Said, merge},
    context::Context,
    fault::Fault,
    names,
};

/// What a Deployment says of its pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crew {
    /// Wanted.
    pub wanted: i32,
    /// Ready.
    pub ready: i32,
    /// Whether pods are being replaced, added or removed.
    pub rolls: bool,
    /// Whether pods are still expected to become ready: Kubernetes gives them ten minutes.
    pub settles: bool,
}

impl Crew {
    /// Reads it from a Deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let status = deployment.status.clone().unwrap_or_default();
        let seen = status.observed_generation >= deployment.metadata.generation;
        let updated = status.updated_replicas.unwrap_or(0);
        let all = status.replicas.unwrap_or(0);
        let (ready, rolls) = (status.ready_replicas.unwrap_or(0), !seen || updated < wanted || all != wanted);
        let given_up = status.conditions.iter().flatten().any(|condition| {
            condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
        });
        Self { wanted, ready, rolls, settles: (rolls || ready < wanted) && !(seen && given_up) }
    }
}

/// What is to be said, before anything was looked at.
pub fn first() -> Vec<Said> {
    [READY, RECONCILING, STALLED, APPLIED]
        .map(|kind| Said::unknown(kind, Reason::Observing, "it is being looked at"))
        .into()
}

/// What is to be said. Pure.
pub fn said(pipeline: &ProfilePipeline, refused: Option<&Refusal>, crew: Option<Crew>, applied: &Applied) -> Vec<Said> {
    let (crew, queued) = (crew.unwrap_or_default(), applied.queued);
    if let Some(refusal) = refused {
        let running = match crew.ready {
            0 => "no worker runs".to_owned(),
            1 => "1 worker of the last good plan runs on".to_owned(),
            ready => format!("{ready} workers of the last good plan run on"),
        };
        let message = format!("{}; {running}", refusal.message);
        return vec![
            Said::is(READY, false, refusal.reason, message),
            Said::is(RECONCILING, false, refusal.reason, ""),
            Said::is(STALLED, true, refusal.reason, &refusal.message),
            Said::is(APPLIED, false, refusal.reason, &refusal.message),
        ];
    }
    let of = format!("{} of {} ready", crew.ready, crew.wanted);
    let (ready, reason, message) = if pipeline.spec.suspend == Some(true) {
        (false, Reason::Suspended, "spec.suspend is true: no worker runs; offsets stay where they are".to_owned())
    } else if replicas(pipeline) == 0 {
        (false, Reason::ScaledToZero, "spec.replicas is 0: no worker runs; offsets stay where they are".to_owned())
    } else if queued {
        (crew.ready >= crew.wanted, Reason::RolloutQueued, format!("{of}; the new version waits for others that roll"))
    } else if crew.rolls {
        (false, Reason::RollingOut, of)
    } else if crew.ready < crew.wanted {
        (false, Reason::WorkersNotReady, format!("{of}: look at their pods and logs"))
    } else {
        (true, Reason::WorkersReady, of)
    };
    let notes: String = applied.notes.iter().map(|note| format!("\n{note}")).collect();
    vec![
        Said::is(READY, ready, reason, message.clone()),
        Said::is(RECONCILING, crew.rolls || queued, reason, message),
        Said::is(STALLED, false, Reason::AsDeclared, ""),
        Said::is(APPLIED, true, Reason::AsDeclared, format!("everything that is declared is in the cluster{notes}")),
    ]
}

/// What is known of a pipeline.
pub struct Known {
    /// Its conditions.
    pub said: Vec<Said>,
    /// Its pods.
    pub crew: Option<Crew>,
    /// What the workers say; `None`: as before.
    pub workers: Option<WorkersStatus>,
}

/// Writes it, where it is something new.
pub async fn write(pipeline: &ProfilePipeline, known: &Known, context: &Context) -> Result<(), Fault> {
    let before = pipeline.status.clone().unwrap_or_default();
    let generation = pipeline.metadata.generation;
    let name = pipeline.name_any();
    let selector: Vec<String> = names::selector(&name).iter().map(|(key, value)| format!("{key}={value}")).collect();
    let is_first = known.crew.is_none() && known.said.iter().all(|said| said.is.is_none());
    let workers = known.workers.clone().or_else(|| before.workers.clone());
    let shared = workers.as_ref().and_then(shared);
    let said: Vec<Said> = known.said.iter().chain(&shared).cloned().collect();
    let status = ProfilePipelineStatus {
        observed_generation: generation,
        conditions: merge(&before.conditions, &said, generation, Timestamp::now()),
        replicas: Some(known.crew.unwrap_or_default().ready),
        selector: Some(selector.join(",")),
        workers,
        last_handled_reconcile_at: if is_first {
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
    let ready = known.said.iter().find(|said| said.kind == READY);
    let was = before.conditions.iter().find(|condition| condition.type_ == READY).map(|ready| ready.reason.as_str());
    if let Some(ready) = ready.filter(|ready| ready.is.is_some() && was != Some(ready.reason.name())) {
        let is_good = ready.is == Some(true)
            || matches!(ready.reason, Reason::RollingOut | Reason::Suspended | Reason::ScaledToZero);
        context.recorder.turned(&pipeline.object_ref(&()), ready.reason, is_good, &ready.message).await;
    }
    if let Some(shared) = shared.filter(|_| !before.conditions.iter().any(|before| before.type_ == GROUP_SHARED)) {
        context.recorder.turned(&pipeline.object_ref(&()), shared.reason, false, &shared.message).await;
    }
    Ok(())
}

/// That others read in the group, where workers say so.
fn shared(workers: &WorkersStatus) -> Option<Said> {
    let strangers = workers.strangers.filter(|strangers| *strangers > 0)?;
    let members = if strangers == 1 { "member is no worker" } else { "members are no workers" };
    let message = format!(
        "{strangers} {members} of this pipeline and get a part of its events: look for a pipeline of the same name in \
         another cluster, or a program in the same consumer group; spec.source.kafka.group names another"
    );
    Some(Said::is(GROUP_SHARED, true, Reason::StrangersInGroup, message))
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

    fn ready(refused: Option<&Refusal>, crew: Crew, queued: bool) -> (Option<bool>, Reason) {
        let applied = Applied { deployment: None, queued, written: false, notes: Vec::new() };
        let said = said(&pipeline(2), refused, Some(crew), &applied);
        (said[0].is, said[0].reason)
    }

    #[test]
    fn ready_is_when_every_worker_runs_the_declared_plan() {
        let crew = Crew { wanted: 2, ready: 2, rolls: false, settles: false };
        assert_eq!(ready(None, crew, false), (Some(true), Reason::WorkersReady));
        assert_eq!(ready(None, Crew { ready: 1, ..crew }, false), (Some(false), Reason::WorkersNotReady));
        assert_eq!(ready(None, Crew { rolls: true, ..crew }, false), (Some(false), Reason::RollingOut));
        assert_eq!(ready(None, crew, true), (Some(true), Reason::RolloutQueued));
        let refusal = Refusal { reason: Reason::StoreNotFound, message: "there is no DataStore x".to_owned() };
        assert_eq!(ready(Some(&refusal), crew, false), (Some(false), Reason::StoreNotFound));
    }

    #[test]
    fn a_refusal_says_what_runs_on() {
        let refusal = Refusal { reason: Reason::InvalidSpec, message: "wrong".to_owned() };
        let applied = Applied { deployment: None, queued: false, written: false, notes: Vec::new() };
        let crew = Crew { wanted: 1, ready: 1, rolls: false, settles: false };
        let of = |crew: Option<Crew>| said(&pipeline(1), Some(&refusal), crew, &applied)[0].message.clone();
        assert_eq!(of(Some(crew)), "wrong; 1 worker of the last good plan runs on");
        assert_eq!(of(None), "wrong; no worker runs");
    }
}
