//! The HTTP server of `/livez`, `/readyz`, `/metrics` and `/status`. It is read-only, needs no
//! login and exposes no value of an event.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use super::Instruments;

/// How often counters are sampled for rates.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
/// How long open requests may take after the end of the run.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";

/// The server can't listen.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {}; {}", reason(.source), advice(.source))]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    pub source: io::Error,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "change --listen to another port, or to port 0 for any that is free",
        io::ErrorKind::AddrNotAvailable => "change --listen to 127.0.0.1 or 0.0.0.0 with a port",
        _ => "change --listen, or leave it out",
    }
}

/// A bound address that doesn't serve yet.
#[derive(Debug)]
pub struct BoundListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundListener {
    /// Binds an address. This happens before any store is opened, so that a wrong address fails
    /// early.
    pub async fn new(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Returns the bound address. It has the actual port if port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to serve.
    pub fn serve(self, instruments: Arc<Instruments>) -> RunningServer {
        let (stop, stopped) = oneshot::channel::<()>();
        let sampled = Arc::clone(&instruments);
        let server = axum::serve(self.listener, router(instruments)).with_graceful_shutdown(async move {
            let _ = stopped.await;
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                sampled.sample();
                tokio::time::sleep(SAMPLE_INTERVAL).await;
            }
        });
        let server = tokio::spawn(async move {
            // The server survives errors of single connections, so it ends only on shutdown.
            let _ = server.await;
        });
        RunningServer { stop, server, _sampling: tasks }
    }
}

/// A running server.
#[derive(Debug)]
pub struct RunningServer {
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    /// Aborted when this is dropped.
    _sampling: JoinSet<()>,
}

impl RunningServer {
    /// Stops accepting, and gives open requests two seconds to finish.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

fn router(instruments: Arc<Instruments>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .fallback((
            StatusCode::NOT_FOUND,
            [(header::CONTENT_TYPE, TEXT)],
            "there are /livez /readyz /metrics /status\n",
        ))
        .with_state(instruments)
}

async fn livez(State(instruments): State<Arc<Instruments>>) -> impl IntoResponse {
    probe(instruments.liveness.stuck().map_or_else(|| Ok("alive".to_owned()), Err))
}

async fn readyz(State(instruments): State<Arc<Instruments>>) -> impl IntoResponse {
    probe(instruments.run_state.ready())
}

fn probe(answer: Result<String, String>) -> impl IntoResponse {
    let (code, words) = match answer {
        Ok(words) => (StatusCode::OK, words),
        Err(words) => (StatusCode::SERVICE_UNAVAILABLE, words),
    };
    (code, [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-store")], words + "\n")
}

async fn metrics(State(instruments): State<Arc<Instruments>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS), (header::CACHE_CONTROL, "no-store")], instruments.metrics.text())
}

async fn status(State(instruments): State<Arc<Instruments>>) -> impl IntoResponse {
    // Serialisation of numbers and words can't fail.
    let body = serde_json::to_string_pretty(&instruments.status()).unwrap_or_default() + "\n";
    ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-store")], body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::observe::{Phase, tests::fixtures::kafka};

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn code(address: SocketAddr, path: &str) -> u16 {
        ask(address, path).await.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn probes_report_liveness_and_readiness() {
        let instruments = kafka();
        let bound = BoundListener::new(any()).await.unwrap();
        let address = bound.address();
        let server = bound.serve(Arc::clone(&instruments));
        assert_eq!((code(address, "/livez").await, code(address, "/readyz").await), (200, 503));
        assert!(ask(address, "/readyz").await.ends_with("starting: the stores are not open yet\n"));
        instruments.run_state.stores_opened();
        instruments.run_state.assign([0]);
        instruments.run_state.set_phase(Phase::Running);
        assert_eq!(code(address, "/readyz").await, 200);
        let heartbeat = instruments.liveness.register("the poll loop", Duration::ZERO);
        heartbeat.beat();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let stuck = ask(address, "/livez").await;
        assert!(stuck.contains(" 503 ") && stuck.contains("the poll loop made no progress"), "{stuck}");
        server.stop().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn metrics_and_status_have_their_content_types() {
        let bound = BoundListener::new(any()).await.unwrap();
        let address = bound.address();
        let server = bound.serve(kafka());
        let metrics = ask(address, "/metrics").await;
        assert!(metrics.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
        assert!(metrics.ends_with("# EOF\n"));
        let status = ask(address, "/status").await;
        assert!(status.contains("content-type: application/json\r\n"));
        let (_, body) = status.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["state"], "Starting");
        assert_eq!(code(address, "/").await, 404);
        server.stop().await;
    }

    #[tokio::test]
    async fn an_address_in_use_is_reported_with_a_fix() {
        let bound = BoundListener::new(any()).await.unwrap();
        let error = BoundListener::new(bound.address()).await.unwrap_err().to_string();
        let wanted = format!(
            "can't listen on {}: another process listens there; change --listen to another port, or to port 0 for any \
             that is free",
            bound.address()
        );
        assert_eq!(error, wanted);
    }

    #[tokio::test]
    async fn an_open_connection_does_not_delay_the_shutdown() {
        let bound = BoundListener::new(any()).await.unwrap();
        let address = bound.address();
        let server = bound.serve(kafka());
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET /status HTTP/1.1\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        server.stop().await;
        assert!(begun.elapsed() < SHUTDOWN_TIMEOUT + Duration::from_secs(1));
    }
}
