//! Runs the process: serves HTTP, waits for leadership, runs the controllers, shuts down.

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
    context::{Context, Failures, Polls, Settings, random},
    events::Recorder,
    names, pipeline,
    rollout_limit::RolloutLimit,
    secrets::SecretLooks,
    store,
};

/// Options of the process, from the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Settings of the controllers.
    pub settings: Settings,
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// Namespace of the Lease.
    pub lease_namespace: String,
    /// Address that serves probes and metrics.
    pub listen: SocketAddr,
}

/// Why the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It received a signal to stop.
    Stopped,
    /// It lost leadership. A new process starts without outdated state.
    LostLeadership,
}

/// Time for running reconciles to end when the process is stopped.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval at which the process checks for kinds that are not installed yet.
const KINDS_INTERVAL: Duration = Duration::from_secs(3);

/// Runs until the process is stopped or loses leadership.
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
    // The client's own retries would bypass the gate; failed reconciles are retried anyway.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    // A watch receives a bookmark every minute: one that is silent for longer is broken.
    config.read_timeout = Some(Duration::from_secs(90));
    let gate = Gate::default();
    let client = client(&config, Some(gate.clone()), metrics)?;
    let me = format!("{}_{:016x}", host(), random());
    let mut candidate = Candidate::new(client_of_lease(&config, metrics)?, &options.lease_namespace, me.clone());
    let mut stop = Box::pin(signal());

    tracing::info!(identity = me, "waiting to lead");
    tokio::select! {
        () = candidate.acquire(&gate, metrics) => {}
        () = &mut stop => return Ok(Ended::Stopped),
    }
    tracing::info!("leading");
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), Some(me)),
        client,
        settings: options.settings,
        metrics: Arc::clone(metrics),
        rollouts: RolloutLimit::default(),
        secrets: SecretLooks::default(),
        failures: Failures::default(),
        polls: Polls::default(),
    });
    let (stopping, stopped) = watch::channel(false);
    let mut controllers = JoinSet::new();
    for view in View::of(&options.namespaces) {
        let (context, stopped) = (Arc::clone(&context), stopped.clone());
        controllers.spawn(async move {
            let mut waiting = stopped.clone();
            tokio::select! {
                () = wait_for_kinds(&context.client, &view) => {}
                _ = waiting.wait_for(|stops| *stops) => return,
            }
            tokio::join!(
                pipeline::run(Arc::clone(&context), &view, stopped.clone()),
                store::run(context, &view, stopped)
            );
        });
    }
    let ended = tokio::select! {
        () = candidate.hold(&gate, metrics) => Ended::LostLeadership,
        () = &mut stop => Ended::Stopped,
    };
    match ended {
        Ended::LostLeadership => {
            tracing::error!("leadership lost, exiting: another leads, or the Lease could not be renewed");
        }
        Ended::Stopped => {
            tracing::info!("stopping, waiting for running reconciles");
            let _ = stopping.send(true);
            let all = async { while controllers.join_next().await.is_some() {} };
            // The Lease is renewed meanwhile, so that running reconciles may write.
            tokio::select! {
                () = all => {}
                () = candidate.hold(&gate, metrics) => {}
                () = tokio::time::sleep(DRAIN_TIMEOUT) => {}
            }
            gate.close();
            candidate.release().await;
        }
    }
    Ok(ended)
}

fn client(config: &Config, gate: Option<Gate>, metrics: &Arc<Metrics>) -> Result<Client, String> {
    let builder = ClientBuilder::try_from(config.clone()).map_err(|error| format!("no client can be made: {error}"))?;
    Ok(builder.with_layer(&Gated { gate, metrics: Arc::clone(metrics) }).build())
}

/// Returns a client of its own for the Lease, so that renewals do not queue behind other requests.
fn client_of_lease(config: &Config, metrics: &Arc<Metrics>) -> Result<Client, String> {
    client(config, None, metrics)
}

/// Waits until the kinds are installed and may be listed.
async fn wait_for_kinds(client: &Client, view: &View) {
    let one = ListParams::default().limit(1);
    let mut logged = false;
    loop {
        let pipelines = view.api::<ProfilePipeline>(client).list_metadata(&one).await.map(|_| ());
        let stores = view.api::<DataStore>(client).list_metadata(&one).await.map(|_| ());
        match pipelines.and(stores) {
            Ok(()) => return,
            Err(error) if !logged => {
                logged = true;
                let missing = matches!(&error, kube::Error::Api(status) if status.code == 404);
                if missing {
                    tracing::warn!("CRDs of lethe.dev are not installed, waiting; run kubectl apply -f crds/");
                } else {
                    tracing::warn!(%error, "failed to list the kinds of lethe.dev, waiting");
                }
            }
            Err(_) => {}
        }
        tokio::time::sleep(KINDS_INTERVAL).await;
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
