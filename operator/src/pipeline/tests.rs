//! Exactly which requests a reconcile makes, and how it handles responses that a real API server
//! can't be made to give on demand. tests/cluster tests the rest against a real one.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::*;
use crate::{
    context::{Failures, Polls, Settings},
    events::Recorder,
    rollout_limit::RolloutLimit,
    secrets::SecretLooks,
};

const NAMESPACE: &str = "shop";
const OWN: &str = "/apis/lethe.dev/v1alpha1/namespaces/shop/profilepipelines/profiles";

/// An API server that stores what is written, records the requests, and refuses one of them on
/// demand.
#[derive(Default)]
struct FakeApiServer {
    objects: Mutex<BTreeMap<String, Value>>,
    calls: Mutex<Vec<String>>,
    /// Method and end of the path of refused requests, and the status of the response.
    refuses: Mutex<Option<(Method, &'static str, u16)>>,
}

impl FakeApiServer {
    fn client(self: &Arc<Self>) -> Client {
        let server = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.respond(request).await) }
        });
        Client::new(service, NAMESPACE)
    }

    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = parts.uri.path().to_owned();
        self.calls.lock().unwrap().push(format!("{} {path}", parts.method));
        let refused = self.refuses.lock().unwrap().clone();
        if let Some((method, end, code)) = refused
            && method == parts.method
            && path.ends_with(end)
        {
            return status(code);
        }
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || serde_json::from_slice::<Value>(&body).unwrap();
        let object = match parts.method {
            Method::GET => objects.get(&path).cloned(),
            Method::PATCH | Method::PUT => {
                let mut object = read();
                object["metadata"]["uid"] = json!(path);
                objects.insert(path.trim_end_matches("/status").to_owned(), object.clone());
                Some(object)
            }
            _ => Some(read()),
        };
        match object {
            Some(object) => Response::builder().status(200).body(Body::from(object.to_string().into_bytes())).unwrap(),
            None => status(404),
        }
    }

    /// Returns the requests since the last call, without the namespace.
    fn calls(&self) -> Vec<String> {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.iter().map(|call| call.replace("/namespaces/shop", "")).collect()
    }

    fn objects(&self) -> Vec<Value> {
        self.objects.lock().unwrap().values().cloned().collect()
    }

    fn pipeline(&self) -> ProfilePipeline {
        serde_json::from_value(self.objects.lock().unwrap()[OWN].clone()).unwrap()
    }
}

fn status(code: u16) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": if code == 404 { "NotFound" } else { "RefusedByTest" }, "message": "refused by the test"});
    Response::builder().status(code).body(Body::from(status.to_string().into_bytes())).unwrap()
}

fn context(server: &Arc<FakeApiServer>) -> Arc<Context> {
    let client = server.client();
    Arc::new(Context {
        recorder: Recorder::new(client.clone(), None),
        client,
        settings: Settings {
            image: "localhost/lethe-worker:1".to_owned(),
            image_pull_policy: None,
            store_interval: Duration::from_secs(60),
            look_interval: Duration::from_secs(60),
            concurrency: 1,
        },
        metrics: Arc::default(),
        rollouts: RolloutLimit::default(),
        secrets: SecretLooks::default(),
        failures: Failures::default(),
        polls: Polls::default(),
    })
}

/// Returns an API server with the objects of the streaming example.
fn streaming_example() -> (Arc<FakeApiServer>, Arc<Context>) {
    let server = Arc::new(FakeApiServer::default());
    let read = |text: &str| lethe_crds::load::read_text("example.yaml", text).unwrap();
    let pipelines = read(include_str!("../../../examples/streaming/pipeline.yaml"));
    let stores = read(include_str!("../../../examples/streaming/store.yaml"));
    let mut objects = BTreeMap::new();
    let mut add = |path: String, mut object: Value| {
        object["metadata"]["namespace"] = json!(NAMESPACE);
        object["metadata"]["uid"] = json!(path);
        object["metadata"]["resourceVersion"] = json!("1");
        object["metadata"]["generation"] = json!(1);
        objects.insert(path, object);
    };
    add(OWN.to_owned(), serde_json::to_value(pipelines.pipelines().next().unwrap()).unwrap());
    for store in stores.data_stores() {
        let name = store.metadata.name.clone().unwrap();
        let path = format!("/apis/lethe.dev/v1alpha1/namespaces/shop/datastores/{name}");
        add(path, serde_json::to_value(store).unwrap());
    }
    let keys = json!({"kind": "Secret", "apiVersion": "v1", "type": "lethe.dev/keys",
        "metadata": {"name": "lethe-keys"}, "data": {"root": "eA=="}});
    add("/api/v1/namespaces/shop/secrets/lethe-keys".to_owned(), keys);
    *server.objects.lock().unwrap() = objects;
    let context = context(&server);
    (server, context)
}

/// Reconciles the pipeline; the watches have seen every object of the API server.
async fn reconcile(server: &FakeApiServer, context: &Arc<Context>) -> Result<Action, Fault> {
    reconcile_beside(server, context, &server.objects()).await
}

/// Reconciles the pipeline; the watch of pipelines has seen these objects.
async fn reconcile_beside(
    server: &FakeApiServer,
    context: &Arc<Context>,
    pipelines: &[Value],
) -> Result<Action, Fault> {
    let objects = server.objects();
    let reconciler = PipelineReconciler {
        context: Arc::clone(context),
        pipelines: crate::watches::store_of(pipelines),
        stores: crate::watches::store_of(&objects),
        children: Children::of_objects(&objects),
    };
    reconciler.reconcile(&server.pipeline()).await
}

fn is_write(call: &&String) -> bool {
    !call.starts_with("GET ")
}

fn ready(server: &FakeApiServer) -> (String, String) {
    let status = server.pipeline().status.unwrap();
    let ready = status.conditions.into_iter().find(|condition| condition.type_ == "Ready").unwrap();
    (ready.reason, ready.message)
}

/// Replaces the hash in the name of the ConfigMap by `<hash>`.
fn without_hash(calls: &[String], config: &str) -> Vec<String> {
    calls.iter().map(|call| call.replace(config, "profiles-<hash>")).collect()
}

fn config(server: &FakeApiServer) -> String {
    let objects = server.objects();
    let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    map["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_pipeline_that_is_deleted_during_its_reconcile_does_not_count_as_rolling_out() {
    let (server, context) = streaming_example();
    initialize_status(&server.pipeline(), &context).await.unwrap();
    reconcile_beside(&server, &context, &[]).await.unwrap();
    for number in 0..crate::rollout_limit::MAX_ROLLOUTS {
        assert!(context.rollouts.try_start(&format!("shop/{number}")), "{number}");
    }
}

#[tokio::test]
async fn a_new_pipeline_makes_exactly_these_requests_and_the_next_reconcile_writes_nothing() {
    let (server, context) = streaming_example();
    reconcile(&server, &context).await.unwrap();
    assert_eq!(server.calls(), Vec::<String>::new(), "its status is initialized first");
    initialize_status(&server.pipeline(), &context).await.unwrap();
    assert_eq!(server.calls(), ["PUT /apis/lethe.dev/v1alpha1/profilepipelines/profiles/status"]);

    reconcile(&server, &context).await.unwrap();
    let calls = without_hash(&server.calls(), &config(&server));
    let wanted = [
        // First its version, then its contents.
        "GET /api/v1/secrets/lethe-keys",
        "GET /api/v1/secrets/lethe-keys",
        // Whether another owner has the two most important names.
        "GET /apis/apps/v1/deployments/profiles-worker",
        "GET /api/v1/configmaps/profiles-<hash>",
        "GET /api/v1/configmaps/profiles-<hash>",
        "PATCH /api/v1/configmaps/profiles-<hash>",
        "GET /api/v1/services/profiles-worker",
        "PATCH /api/v1/services/profiles-worker",
        "GET /apis/networking.k8s.io/v1/networkpolicies/profiles-worker",
        "PATCH /apis/networking.k8s.io/v1/networkpolicies/profiles-worker",
        "GET /api/v1/serviceaccounts/profiles-worker",
        "PATCH /api/v1/serviceaccounts/profiles-worker",
        // The Deployment last.
        "GET /apis/apps/v1/deployments/profiles-worker",
        "PATCH /apis/apps/v1/deployments/profiles-worker",
        "POST /apis/events.k8s.io/v1/events",
        "PUT /apis/lethe.dev/v1alpha1/profilepipelines/profiles/status",
        "POST /apis/events.k8s.io/v1/events",
    ];
    assert_eq!(calls, wanted);

    // The watches see the Deployment only now, so the status changes once more.
    reconcile(&server, &context).await.unwrap();
    server.calls();
    reconcile(&server, &context).await.unwrap();
    assert_eq!(server.calls(), ["GET /api/v1/secrets/lethe-keys"]);
}

#[tokio::test]
async fn a_changed_secret_causes_one_write_of_the_deployment() {
    let (server, context) = streaming_example();
    initialize_status(&server.pipeline(), &context).await.unwrap();
    for _ in 0..3 {
        reconcile(&server, &context).await.unwrap();
    }
    server.calls();
    server.objects.lock().unwrap().get_mut("/api/v1/namespaces/shop/secrets/lethe-keys").unwrap()["metadata"]["resourceVersion"] =
        json!("2");
    reconcile(&server, &context).await.unwrap();
    let calls = server.calls();
    let writes: Vec<&String> = calls.iter().filter(is_write).collect();
    assert_eq!(
        writes,
        ["PATCH /apis/apps/v1/deployments/profiles-worker", "POST /apis/events.k8s.io/v1/events"],
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_transient_failure_ends_the_reconcile_and_the_next_one_continues_there() {
    for (method, end, code, label) in [
        (Method::PATCH, "networkpolicies/profiles-worker", 500, "server"),
        (Method::PATCH, "networkpolicies/profiles-worker", 409, "conflict"),
        (Method::PATCH, "networkpolicies/profiles-worker", 429, "too-many-requests"),
        (Method::GET, "secrets/lethe-keys", 503, "server"),
        (Method::PUT, "profiles/status", 409, "conflict"),
    ] {
        let (server, context) = streaming_example();
        initialize_status(&server.pipeline(), &context).await.unwrap();
        server.calls();
        *server.refuses.lock().unwrap() = Some((method, end, code));
        let fault = reconcile(&server, &context).await.unwrap_err();
        assert_eq!(fault.label(), label, "{end} {code}");
        let calls = server.calls();
        assert!(calls.last().is_some_and(|last| last.ends_with(end)), "{calls:?}");
        // The next reconcile continues there.
        *server.refuses.lock().unwrap() = None;
        reconcile(&server, &context).await.unwrap();
        let left = server.calls();
        let again = left.iter().filter(is_write).find(|call| calls[..calls.len() - 1].contains(call));
        assert!(again.is_none() || code == 409, "{again:?} was written twice: {left:?}");
    }
}

#[tokio::test]
async fn a_permanent_refusal_by_the_api_server_is_reported_in_the_status() {
    for code in [403, 422] {
        let (server, context) = streaming_example();
        initialize_status(&server.pipeline(), &context).await.unwrap();
        *server.refuses.lock().unwrap() = Some((Method::PATCH, "services/profiles-worker", code));
        reconcile(&server, &context).await.unwrap();
        let (reason, message) = ready(&server);
        assert_eq!(reason, "Refused");
        assert!(
            message.contains("apply the Service profiles-worker") && message.contains("refused by the test"),
            "{message}"
        );
        assert!(!server.calls().iter().any(|call| call.contains("PATCH /apis/apps")), "the Deployment is not written");
    }
}
