//! Gauges of the run state. They are read from the state when they are scraped, so that there is no
//! second copy.

use std::{collections::BTreeMap, fmt::Error, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::{
    metric_defs::{ASSIGNED, LAG, MetricDef, PAUSED, STALLED, WARMING},
    run_state::{MAX_LISTED, Partition, RunState, SourceInfo},
};

/// Gauges of partitions and of stores with an outage.
#[derive(Debug)]
pub(super) struct StateCollector {
    pub(super) run_state: Arc<RunState>,
    /// The sinks and the other stores.
    pub(super) stores: Vec<String>,
}

impl Collector for StateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let state = self.run_state.snapshot();
        let stalled = |name: &String| state.outages.get(name).is_some_and(|outage| outage.since.is_some());
        let rows = self.stores.iter().map(|name| ([("sink", name.as_str())], i64::from(stalled(name))));
        gauge(&mut encoder, &STALLED, rows)?;
        let (SourceInfo::Kafka { topic, .. }, Some(assigned)) = (&state.source, &state.assigned) else { return Ok(()) };
        gauge(&mut encoder, &ASSIGNED, [([("", ""); 0], assigned.len() as i64)])?;
        let shown = shown(assigned);
        let mut each = |def, value: &dyn Fn(i32, &Partition) -> Option<i64>| {
            let rows = shown.iter().filter_map(|(name, partitions)| {
                // A partition whose value is unknown has no series.
                let known: Vec<i64> = partitions.iter().filter_map(|(at, partition)| value(*at, partition)).collect();
                let labels = [("topic", topic.as_str()), ("partition", name.as_str())];
                (!known.is_empty()).then(|| (labels, known.iter().sum()))
            });
            gauge(&mut encoder, def, rows)
        };
        each(&LAG, &|_, partition| partition.lag().map(|lag| i64::try_from(lag).unwrap_or(i64::MAX)))?;
        each(&PAUSED, &|_, partition| Some(i64::from(partition.paused)))?;
        each(&WARMING, &|at, _| Some(i64::from(state.warming.contains(&at))))
    }
}

/// Groups partitions by their label: the first ones have their own, the rest is `other`.
fn shown(assigned: &BTreeMap<i32, Partition>) -> Vec<(String, Vec<(i32, Partition)>)> {
    let mut all = assigned.iter().map(|(at, partition)| (*at, *partition));
    let mut out: Vec<_> = all.by_ref().take(MAX_LISTED).map(|one| (one.0.to_string(), vec![one])).collect();
    let rest: Vec<_> = all.collect();
    if !rest.is_empty() {
        out.push(("other".to_owned(), rest));
    }
    out
}

fn gauge<'l, const N: usize>(
    encoder: &mut DescriptorEncoder,
    def: &MetricDef,
    rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], i64)>,
) -> Result<(), Error> {
    let mut metric = encoder.encode_descriptor(def.family(), def.meaning, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
