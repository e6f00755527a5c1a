//! The layer that every request to the API server passes. It counts requests, and refuses writes
//! unless this process leads. A process that was stopped and resumes finds its time expired before
//! it writes.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use super::{clock, metrics::Metrics};

/// The time until which this process may write.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicU64>);

impl Gate {
    /// Allows writes until `until`, a time of [`clock::now`].
    pub fn open_until(&self, until: Duration) {
        self.0.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Refuses writes from now on.
    pub fn close(&self) {
        self.0.store(0, Ordering::Release);
    }

    fn is_open(&self) -> bool {
        clock::now().as_millis() < u128::from(self.0.load(Ordering::Acquire))
    }
}

/// Timeout for the first byte of a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Timeout for the first byte of the response to a watch.
const WATCH_TIMEOUT: Duration = Duration::from_secs(60);

/// The API server did not respond in time.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not answer in {} s", .0.as_secs())]
pub struct NoResponse(Duration);

/// A write was refused, because this process does not lead.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead any more: nothing is written")]
pub struct NotLeading;

/// The layer of a client whose writes need leadership.
#[derive(Clone)]
pub struct Gated {
    /// The gate for writes; `None`: no gate, for the client that writes the Lease itself.
    pub gate: Option<Gate>,
    /// Counts the requests.
    pub metrics: Arc<Metrics>,
}

impl<S> Layer<S> for Gated {
    type Service = GatedService<S>;

    fn layer(&self, inner: S) -> GatedService<S> {
        GatedService { inner, gated: self.clone() }
    }
}

/// A service behind a gate.
pub struct GatedService<S> {
    inner: S,
    gated: Gated,
}

impl<S, B> Service<Request<Body>> for GatedService<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verb = verb(request.method());
        let allowed = verb == "get" || self.gated.gate.as_ref().is_none_or(Gate::is_open);
        if !allowed {
            return Box::pin(async { Err(NotLeading.into()) });
        }
        let metrics = Arc::clone(&self.gated.metrics);
        let gate = self.gated.gate.clone().filter(|_| verb != "get");
        let watches = request.uri().query().is_some_and(|query| query.contains("watch="));
        let timeout = if watches { WATCH_TIMEOUT } else { RESPONSE_TIMEOUT };
        let mut response = Box::pin(self.inner.call(request));
        Box::pin(async move {
            // Checked at every poll: a write that was queued while the process was stopped is not
            // sent.
            let response = poll_fn(|context| {
                if gate.as_ref().is_none_or(Gate::is_open) {
                    response.as_mut().poll(context)
                } else {
                    Poll::Ready(Err(NotLeading.into()))
                }
            });
            let response = tokio::time::timeout(timeout, response).await;
            let response = response.unwrap_or_else(|_| Err(NoResponse(timeout).into()));
            metrics.request_ended(verb, response.as_ref().ok().map(|response| response.status().as_u16()));
            response
        })
    }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_write_passes_only_while_the_gate_is_open() {
        let gate = Gate::default();
        let gated = Gated { gate: Some(gate.clone()), metrics: Arc::default() };
        let mut service =
            gated.layer(tower::service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(Response::new(())) }));
        let mut request = |method: Method| service.call(Request::builder().method(method).body(Body::empty()).unwrap());
        assert!(request(Method::PATCH).await.unwrap_err().is::<NotLeading>());
        assert!(request(Method::GET).await.is_ok(), "reads need no leadership");
        gate.open_until(clock::now() + Duration::from_secs(5));
        assert!(request(Method::PATCH).await.is_ok());
        gate.open_until(clock::now());
        assert!(request(Method::DELETE).await.is_err(), "the time has expired");
        gate.open_until(clock::now() + Duration::from_secs(5));
        gate.close();
        assert!(request(Method::POST).await.is_err());
    }
}
