//! Polls `/status` of a pipeline's workers, one request per pod, and sums up the responses.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use kube::{Api, ResourceExt, api::ListParams};
use lethe_crds::{
    ProfilePipeline,
    profile_pipeline::{RejectedStatus, WorkersStatus},
};
use serde::Deserialize;

use super::build::PORT;
use crate::{context::Context, fault::Fault, names};

/// Timeout of a request to a worker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Most bytes of a response.
const MAX_BODY: usize = 4 << 20;
/// Concurrent requests.
const CONCURRENCY: usize = 16;
/// Most entries of a list in the status.
const MAX_ENTRIES: usize = 32;

/// The part of a worker's response that the operator reads.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WorkerReport {
    rates: Rates,
    source: Source,
    dead_letters: DeadLetters,
    unclassified_fields: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rates {
    events_per_second: f64,
    dead_letters_per_second: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Source {
    strangers: Option<i32>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Partition {
    lag: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeadLetters {
    written: i64,
    by_reason: BTreeMap<String, i64>,
}

/// Polls the workers of a Deployment. One that does not answer is left out.
pub async fn poll(
    pipeline: &ProfilePipeline,
    deployment: &Deployment,
    context: &Context,
) -> Result<WorkersStatus, Fault> {
    let addresses = addresses(pipeline, deployment, context).await?;
    let reports = stream::iter(addresses).map(fetch).buffer_unordered(CONCURRENCY).filter_map(std::future::ready);
    Ok(sum(&reports.collect::<Vec<_>>().await))
}

/// Returns the addresses of the pods that the Deployment owns: a label alone proves nothing.
async fn addresses(
    pipeline: &ProfilePipeline,
    deployment: &Deployment,
    context: &Context,
) -> Result<Vec<IpAddr>, Fault> {
    let namespace = pipeline.namespace().unwrap_or_default();
    let parameters = ListParams::default().labels(&format!("{}={}", names::PIPELINE, pipeline.name_any()));
    let sets: Api<ReplicaSet> = Api::namespaced(context.client.clone(), &namespace);
    let sets = sets.list_metadata(&parameters).await.map_err(Fault::api("list the ReplicaSets of the workers"))?;
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &namespace);
    let pods = pods.list(&parameters).await.map_err(Fault::api("list the pods of the workers"))?;
    let is_controlled_by = |owners: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference],
                            uid: Option<&String>| {
        owners.iter().any(|owner| owner.controller == Some(true) && Some(&owner.uid) == uid)
    };
    let sets: Vec<String> = sets
        .iter()
        .filter(|set| is_controlled_by(set.owner_references(), deployment.metadata.uid.as_ref()))
        .filter_map(ResourceExt::uid)
        .collect();
    let owned =
        pods.into_iter().filter(|pod| sets.iter().any(|set| is_controlled_by(pod.owner_references(), Some(set))));
    Ok(owned.filter_map(|pod| pod.status?.pod_ip?.parse().ok()).collect())
}

async fn fetch(address: IpAddr) -> Option<WorkerReport> {
    let client: Client<HttpConnector, Empty<hyper::body::Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    let uri = format!("http://{host}:{PORT}/status").parse().ok()?;
    let report = async {
        let response = client.get(uri).await.ok()?;
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok()
    };
    tokio::time::timeout(REQUEST_TIMEOUT, report).await.ok()?
}

fn sum(all: &[WorkerReport]) -> WorkersStatus {
    let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
    for (reason, events) in all.iter().flat_map(|report| &report.dead_letters.by_reason) {
        *reasons.entry(reason).or_insert(0) += events;
    }
    let mut rejected: Vec<RejectedStatus> = reasons
        .into_iter()
        .map(|(reason, events)| RejectedStatus { reason: reason.to_owned(), events: rounded(events) })
        .collect();
    rejected.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.reason.cmp(&b.reason)));
    rejected.truncate(MAX_ENTRIES);
    let mut unclassified: Vec<String> = all.iter().flat_map(|report| report.unclassified_fields.clone()).collect();
    unclassified.sort();
    unclassified.dedup();
    let total = unclassified.len();
    unclassified.truncate(MAX_ENTRIES);
    let lags: Vec<i64> =
        all.iter().flat_map(|report| &report.source.partitions).filter_map(|partition| partition.lag).collect();
    let per_minute =
        |rate: fn(&Rates) -> f64| rounded((all.iter().map(|report| rate(&report.rates)).sum::<f64>() * 60.0) as i64);
    WorkersStatus {
        answered: all.len() as i32,
        lag: (!lags.is_empty()).then(|| rounded(lags.iter().sum())),
        // All workers see the same group.
        strangers: all.iter().filter_map(|report| report.source.strangers).max(),
        events_per_minute: per_minute(|rates| rates.events_per_second),
        dead_letters_per_minute: (!all.is_empty()).then(|| per_minute(|rates| rates.dead_letters_per_second)),
        dead_letters: rounded(all.iter().map(|report| report.dead_letters.written).sum()),
        rejected,
        unclassified,
        unclassified_total: (total > 0).then_some(total as i32),
    }
}

/// Rounds down to two significant digits, so that not every event changes the status.
fn rounded(number: i64) -> i64 {
    let mut unit = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    number / unit * unit
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_rounded_down_to_two_significant_digits() {
        for (number, wanted) in [(0, 0), (9, 9), (99, 99), (100, 100), (123, 120), (98_765, 98_000), (1_999, 1_900)] {
            assert_eq!(rounded(number), wanted);
        }
    }

    #[test]
    fn reports_are_summed_up_and_one_of_another_version_counts_as_far_as_it_is_known() {
        let report = |lag: i64, reason: &str| {
            let value = json!({"rates": {"eventsPerSecond": 2.5, "deadLettersPerSecond": 0.1}, "somethingNew": true,
                "source": {"topic": "x", "strangers": lag / 100, "partitions": [{"lag": lag}, {"lag": null}]},
                "deadLetters": {"written": 3, "byReason": {reason: 3}}, "unclassifiedFields": ["/note", "/a/*"]});
            serde_json::from_value::<WorkerReport>(value).unwrap()
        };
        let sum = sum(&[report(100, "NotJson"), report(23, "SchemaViolation"), serde_json::from_str("{}").unwrap()]);
        assert_eq!((sum.answered, sum.lag, sum.events_per_minute, sum.dead_letters), (3, Some(120), 300, 6));
        assert_eq!((sum.strangers, sum.dead_letters_per_minute), (Some(1), Some(12)));
        assert_eq!((sum.rejected.len(), sum.unclassified_total), (2, Some(2)));
        assert_eq!(sum.unclassified, ["/a/*", "/note"]);
        assert_eq!(super::sum(&[]), WorkersStatus::default());
    }
}
