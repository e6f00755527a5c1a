//! From the command line to controllers that run, and back.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use kube::{Client, Config, api::ListParams, client::ClientBuilder};
use lethe_crds::{DataStore, ProfilePipeline};
use tokio::{sync::watch, task::JoinSet};

use super::{
    gate::{Gate, Gated},
    lease::Candidate,
    metrics::Metrics,
    scope::View,
    server,
};
use crate::{
    context::{Asked, Context, Failures, Settings, random},
    events::Recorder,
    names,
    pace::Pace,
    pipeline,
    secrets::SecretLooks,
    store,
};

/// How the process runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the controllers work.
    pub settings: Settings,
    /// Namespaces that are watched; none: all.
    pub namespaces: Vec<String>,
    /// Namespace of the Lease.
    pub lease_namespace: String,
    /// Where probes and metrics are answered.
    pub listen: SocketAddr,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// It does not lead any more. A process that begins anew knows nothing that is out of date.
    Lost,
}

/// How long reconciles under way may take when the process is asked to end.
const DRAIN: Duration = Duration::from_secs(10);
/// How often kinds that are not there yet are looked for.
const LOOK: Duration = Duration::from_secs(3);

/// Runs until it is asked to stop, or does not lead any more.
pub async fn run(options: Options) -> Result<Ended, String> {
    let metrics = Arc::new(Metrics::default());
    let listener = server::bind(options.listen).await?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "answering /livez /readyz /metrics");
    }
    let serving = tokio::spawn(server::serve(listener, Arc::clone(&metrics)));
    let ended = lead(options, &metrics).await;
    serving.abort();
    ended
}

async fn lead(options: Options, metrics: &Arc<Metrics>) -> Result<Ended, String> {
    let mut config = Config::infer().await.map_err(|error| {
        format!("no cluster is known: {error}; run this in a pod, or set KUBECONFIG to a file that names one")
    })?;
    // Retries would pass the gate unseen; reconciles are tried again anyway.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    // A watch says something every minute: one that is silent for longer was cut off.
    config.read_timeout = Some(Duration::from_secs(90));
    let gate = Gate::default();
    let client = client(&config, Some(gate.clone()), metrics)?;
    let me = format!("{}_{:016x}", host(), random());
    let mut candidate = Candidate::new(client_of_lease(&config, metrics)?, &options.lease_namespace, me.clone());
    let mut stop = Box::pin(signal());

    tracing::info!(identity = me, "waiting to lead");
    tokio::select! {
        () = candidate.wins(&gate, metrics) => {}
        () = &mut stop => return Ok(Ended::Asked),
    }
    tracing::info!("leading");
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), Some(me)),
        client,
        settings: options.settings,
        metrics: Arc::clone(metrics),
        pace: Pace::default(),
        secrets: SecretLooks::default(),
        failures: Failures::default(),
        asked: Asked::default(),
    });
    let (stopping, stopped) = watch::channel(false);
    let mut controllers = JoinSet::new();
    for view in View::of(&options.namespaces) {
        let (context, stopped) = (Arc::clone(&context), stopped.clone());
        controllers.spawn(async move {
            let mut waiting = stopped.clone();
            tokio::select! {
                () = kinds(&context.client, &view) => {}
                _ = waiting.wait_for(|stops| *stops) => return,
            }
            tokio::join!(
                pipeline::run(Arc::clone(&context), &view, stopped.clone()),
                store::run(context, &view, stopped)
            );
        });
    }
    let ended = tokio::select! {
        () = candidate.loses(&gate, metrics) => Ended::Lost,
        () = &mut stop => Ended::Asked,
    };
    match ended {
        Ended::Lost => tracing::error!("another leads, or the Lease could not be renewed: ending"),
        Ended::Asked => {
            tracing::info!("stopping when what is under way has ended");
            let _ = stopping.send(true);
            let all = async { while controllers.join_next().await.is_some() {} };
            // The Lease is kept meanwhile: what is under way may write.
            tokio::select! {
                () = all => {}
                () = candidate.loses(&gate, metrics) => {}
                () = tokio::time::sleep(DRAIN) => {}
            }
            gate.close();
            candidate.leave().await;
        }
    }
    Ok(ended)
}

fn client(config: &Config, gate: Option<Gate>, metrics: &Arc<Metrics>) -> Result<Client, String> {
    let builder = ClientBuilder::try_from(config.clone()).map_err(|error| format!("no client can be made: {error}"))?;
    Ok(builder.with_layer(&Gated { gate, metrics: Arc::clone(metrics) }).build())
}

/// Renewals wait behind nothing.
fn client_of_lease(config: &Config, metrics: &Arc<Metrics>) -> Result<Client, String> {
    client(config, None, metrics)
}

/// Waits until the kinds are there, and may be listed.
async fn kinds(client: &Client, view: &View) {
    let one = ListParams::default().limit(1);
    let mut told = false;
    loop {
        let pipelines = view.api::<ProfilePipeline>(client).list_metadata(&one).await.map(|_| ());
        let stores = view.api::<DataStore>(client).list_metadata(&one).await.map(|_| ());
        match pipelines.and(stores) {
            Ok(()) => return,
            Err(error) if !told => {
                told = true;
                let missing = matches!(&error, kube::Error::Api(status) if status.code == 404);
                if missing {
                    tracing::warn!(
                        "the kinds of lethe.dev are not in this cluster yet: waiting; kubectl apply -f crds/"
                    );
                } else {
                    tracing::warn!(%error, "the kinds of lethe.dev can't be listed: waiting");
                }
            }
            Err(_) => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn host() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| names::OPERATOR.to_owned())
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut terminated) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
    } else {
        let _ = tokio::signal::ctrl_c().await;
    }
}
