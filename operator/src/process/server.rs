//! Serves `/livez`, `/readyz` and `/metrics`. A standby is as healthy as the leader and answers the
//! same.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;

use super::metrics::Metrics;

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Binds the address.
///
/// # Errors
/// The address can't be bound; the message says what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("can't listen on {address}: {error}; change --listen, or use port 0 for any that is free")
    })
}

/// Serves requests until the future is dropped.
pub async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let alive = || async { (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], "ok\n") };
    let router = Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(alive))
        .route(
            "/metrics",
            get(move || async move { ([(header::CONTENT_TYPE, METRICS)], metrics.text()).into_response() }),
        )
        .fallback((StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, TEXT)], "there are /livez /readyz /metrics\n"));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "HTTP server failed, probes and metrics are not served");
    }
}
