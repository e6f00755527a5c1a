//! Which calls a reconcile makes, exactly, and what it makes of answers that no API server can be made to give when a
//! test wants them. The rest is held against a real one, in tests/cluster.
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
    context::{Asked, Failures, Settings},
    events::Recorder,
    pace::Pace,
    secrets::SecretLooks,
};

const NAMESPACE: &str = "shop";
const OWN: &str = "/apis/lethe.dev/v1alpha1/namespaces/shop/profilepipelines/profiles";

/// An API server that keeps what it is given, notes what it is asked for, and refuses what it is told to.
#[derive(Default)]
struct Script {
    objects: Mutex<BTreeMap<String, Value>>,
    calls: Mutex<Vec<String>>,
    /// Method and end of a path, and the answer's code.
    refuses: Mutex<Option<(Method, &'static str, u16)>>,
}

impl Script {
    fn client(self: &Arc<Self>) -> Client {
        let script = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let script = Arc::clone(&script);
            async move { Ok::<_, Infallible>(script.answer(request).await) }
        });
        Client::new(service, NAMESPACE)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
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

    /// What was asked for since the last time, without the namespace.
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
        "reason": if code == 404 { "NotFound" } else { "Scripted" }, "message": "as the script says"});
    Response::builder().status(code).body(Body::from(status.to_string().into_bytes())).unwrap()
}

fn context(script: &Arc<Script>) -> Arc<Context> {
    let client = script.client();
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
        pace: Pace::default(),
        secrets: SecretLooks::default(),
        failures: Failures::default(),
        asked: Asked::default(),
    })
}

/// The streaming example, in a cluster of its own.
fn begun() -> (Arc<Script>, Arc<Context>) {
    let script = Arc::new(Script::default());
    let read = |text: &str| lethe_crds::load::read_text("example.yaml", text).unwrap();
    let pipelines = read(include_str!("../../../examples/streaming/pipeline.yaml"));
    let stores = read(include_str!("../../../examples/streaming/store.yaml"));
    let mut objects = BTreeMap::new();
    let mut keep = |path: String, mut object: Value| {
        object["metadata"]["namespace"] = json!(NAMESPACE);
        object["metadata"]["uid"] = json!(path);
        object["metadata"]["resourceVersion"] = json!("1");
        object["metadata"]["generation"] = json!(1);
        objects.insert(path, object);
    };
    keep(OWN.to_owned(), serde_json::to_value(pipelines.pipelines().next().unwrap()).unwrap());
    for store in stores.data_stores() {
        let name = store.metadata.name.clone().unwrap();
        let path = format!("/apis/lethe.dev/v1alpha1/namespaces/shop/datastores/{name}");
        keep(path, serde_json::to_value(store).unwrap());
    }
    let keys = json!({"kind": "Secret", "apiVersion": "v1", "type": "lethe.dev/keys",
        "metadata": {"name": "lethe-keys"}, "data": {"root": "eA=="}});
    keep("/api/v1/namespaces/shop/secrets/lethe-keys".to_owned(), keys);
    *script.objects.lock().unwrap() = objects;
    let context = context(&script);
    (script, context)
}

/// A reconcile that sees what the script keeps.
async fn reconcile(script: &Script, context: &Arc<Context>) -> Result<Action, Fault> {
    let objects = script.objects();
    let sight = Sight {
        context: Arc::clone(context),
        stores: crate::cache::holding(&objects),
        children: Children::holding(&objects),
    };
    sight.reconcile(&script.pipeline()).await
}

fn is_write(call: &&String) -> bool {
    !call.starts_with("GET ")
}

fn ready(script: &Script) -> (String, String) {
    let status = script.pipeline().status.unwrap();
    let ready = status.conditions.into_iter().find(|condition| condition.type_ == "Ready").unwrap();
    (ready.reason, ready.message)
}

/// `<hash>` where the name of the configuration is.
fn without_hash(calls: &[String], config: &str) -> Vec<String> {
    calls.iter().map(|call| call.replace(config, "profiles-<hash>")).collect()
}

fn config(script: &Script) -> String {
    let objects = script.objects();
    let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    map["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_pipeline_that_comes_is_these_calls_and_the_next_reconcile_writes_nothing() {
    let (script, context) = begun();
    reconcile(&script, &context).await.unwrap();
    assert_eq!(script.calls(), Vec::<String>::new(), "it is greeted first");
    greet(&script.pipeline(), &context).await.unwrap();
    assert_eq!(script.calls(), ["PUT /apis/lethe.dev/v1alpha1/profilepipelines/profiles/status"]);

    reconcile(&script, &context).await.unwrap();
    let calls = without_hash(&script.calls(), &config(&script));
    let wanted = [
        // Which version it is, and then what it is.
        "GET /api/v1/secrets/lethe-keys",
        "GET /api/v1/secrets/lethe-keys",
        // Whether the names that matter most are free.
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

    // It is seen only now; then nothing is left to be said.
    reconcile(&script, &context).await.unwrap();
    script.calls();
    reconcile(&script, &context).await.unwrap();
    assert_eq!(script.calls(), ["GET /api/v1/secrets/lethe-keys"]);
}

#[tokio::test]
async fn a_secret_that_changed_is_one_write_of_the_deployment() {
    let (script, context) = begun();
    greet(&script.pipeline(), &context).await.unwrap();
    for _ in 0..3 {
        reconcile(&script, &context).await.unwrap();
    }
    script.calls();
    script.objects.lock().unwrap().get_mut("/api/v1/namespaces/shop/secrets/lethe-keys").unwrap()["metadata"]["resourceVersion"] =
        json!("2");
    reconcile(&script, &context).await.unwrap();
    let calls = script.calls();
    let writes: Vec<&String> = calls.iter().filter(is_write).collect();
    assert_eq!(
        writes,
        ["PATCH /apis/apps/v1/deployments/profiles-worker", "POST /apis/events.k8s.io/v1/events"],
        "{calls:?}"
    );
}

#[tokio::test]
async fn an_answer_that_may_be_another_next_time_ends_the_reconcile_and_leaves_the_rest_undone() {
    for (method, end, code, word) in [
        (Method::PATCH, "networkpolicies/profiles-worker", 500, "server"),
        (Method::PATCH, "networkpolicies/profiles-worker", 409, "conflict"),
        (Method::PATCH, "networkpolicies/profiles-worker", 429, "too-many-requests"),
        (Method::GET, "secrets/lethe-keys", 503, "server"),
        (Method::PUT, "profiles/status", 409, "conflict"),
    ] {
        let (script, context) = begun();
        greet(&script.pipeline(), &context).await.unwrap();
        script.calls();
        *script.refuses.lock().unwrap() = Some((method, end, code));
        let fault = reconcile(&script, &context).await.unwrap_err();
        assert_eq!(fault.word(), word, "{end} {code}");
        let calls = script.calls();
        assert!(calls.last().is_some_and(|last| last.ends_with(end)), "{calls:?}");
        // The next one goes on from there.
        *script.refuses.lock().unwrap() = None;
        reconcile(&script, &context).await.unwrap();
        let left = script.calls();
        let again = left.iter().filter(is_write).find(|call| calls[..calls.len() - 1].contains(call));
        assert!(again.is_none() || code == 409, "{again:?} was written twice: {left:?}");
    }
}

#[tokio::test]
async fn what_the_api_server_refuses_for_good_is_told_in_the_status() {
    for code in [403, 422] {
        let (script, context) = begun();
        greet(&script.pipeline(), &context).await.unwrap();
        *script.refuses.lock().unwrap() = Some((Method::PATCH, "services/profiles-worker", code));
        reconcile(&script, &context).await.unwrap();
        let (reason, message) = ready(&script);
        assert_eq!(reason, "Refused");
        assert!(
            message.contains("apply the Service profiles-worker") && message.contains("as the script says"),
            "{message}"
        );
        assert!(!script.calls().iter().any(|call| call.contains("PATCH /apis/apps")), "the workers wait");
    }
}
