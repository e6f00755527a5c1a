//! The operator as a process, with the rights of `deploy/rbac.yaml` and no others, on a real API server. No pod runs
//! here: what the kubelet would say, a test says.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod crew;
mod crowd;
mod house;
mod leader;
mod outage;
mod pipelines;
mod process;
mod relay;
mod rights;
mod stores;
mod upgrade;
mod verdicts;
mod workers;
