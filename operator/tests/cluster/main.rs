//! The operator as a process, with exactly the rights of `deploy/rbac.yaml`, on a real API server.
//! There is no node: tests write what a kubelet would report.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod control_plane;
mod fake_worker;
mod kinds;
mod leader;
mod operator_process;
mod outage;
mod pipelines;
mod rights;
mod scale;
mod stores;
mod tcp_relay;
mod temp_namespace;
mod upgrade;
mod verdicts;
mod workers;
