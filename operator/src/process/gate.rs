//! What every request to the API server passes: it is counted, and a write is let through only while this process
//! leads. A process that was stopped and goes on finds its time over before it writes.

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

/// Until when this process may write.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicU64>);

impl Gate {
    /// Writes may start until this moment of [`clock::now`].
    pub fn open_until(&self, until: Duration) {
        self.0.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Nothing is written from now on.
    pub fn close(&self) {
        self.0.store(0, Ordering::Release);
    }

    fn is_open(&self) -> bool {
        clock::now().as_millis() < u128::from(self.0.load(Ordering::Acquire))
    }
}

/// How long the API server may take to begin its answer, and that to a watch.
const ANSWER: Duration = Duration::from_secs(20);
const WATCH: Duration = Duration::from_secs(60);

/// The API server did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not answer in {} s", .0.as_secs())]
pub struct NoAnswer(Duration);

/// A write was not let through.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead any more: nothing is written")]
pub struct NotLeading;

/// The layer of a client that only the leader may write with.
#[derive(Clone)]
pub struct Gated {
    /// Until when; `None`: at all times, as the lease itself is written.
    pub gate: Option<Gate>,
    /// Where requests are counted.
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
        let may = verb == "get" || self.gated.gate.as_ref().is_none_or(Gate::is_open);
        if !may {
            return Box::pin(async { Err(NotLeading.into()) });
        }
        let metrics = Arc::clone(&self.gated.metrics);
        let gate = self.gated.gate.clone().filter(|_| verb != "get");
        let watches = request.uri().query().is_some_and(|query| query.contains("watch="));
        let limit = if watches { WATCH } else { ANSWER };
        let mut answer = Box::pin(self.inner.call(request));
        Box::pin(async move {
            // Looked at again whenever it goes on: what was queued while the process was stopped is not sent.
            let answer = poll_fn(|context| {
                if gate.as_ref().is_none_or(Gate::is_open) {
                    answer.as_mut().poll(context)
                } else {
                    Poll::Ready(Err(NotLeading.into()))
                }
            });
            let answer = tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(NoAnswer(limit).into()));
            metrics.asked(verb, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
            answer
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
        let mut ask = |method: Method| service.call(Request::builder().method(method).body(Body::empty()).unwrap());
        assert!(ask(Method::PATCH).await.unwrap_err().is::<NotLeading>());
        assert!(ask(Method::GET).await.is_ok(), "reading harms nobody");
        gate.open_until(clock::now() + Duration::from_secs(5));
        assert!(ask(Method::PATCH).await.is_ok());
        gate.open_until(clock::now());
        assert!(ask(Method::DELETE).await.is_err(), "the time is over");
        gate.open_until(clock::now() + Duration::from_secs(5));
        gate.close();
        assert!(ask(Method::POST).await.is_err());
    }
}
