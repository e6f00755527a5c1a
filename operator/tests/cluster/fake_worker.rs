//! Takes the place of a node: marks pods as ready, and serves `/status` in place of their workers.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{control_plane::wait_until, temp_namespace::TempNamespace};

/// Port of a worker's HTTP server.
const PORT: u16 = 9090;

/// An HTTP server with an address of its own that serves `/status`.
pub struct FakeWorker {
    pub address: Ipv4Addr,
    status: Arc<Mutex<Value>>,
    requests: Arc<AtomicU32>,
}

impl FakeWorker {
    pub fn new(status: Value) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = std::process::id() % 200 * 256 + NEXT.fetch_add(1, Ordering::Relaxed) % 256;
        let address = Ipv4Addr::new(127, 77, (number / 256) as u8, (number % 256) as u8);
        let listener = TcpListener::bind((address, PORT)).unwrap();
        let worker = Self { address, status: Arc::new(Mutex::new(status)), requests: Arc::default() };
        let (status, requests) = (Arc::clone(&worker.status), Arc::clone(&worker.requests));
        // The thread ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut request = [0; 4096];
                let Ok(read) = stream.read(&mut request) else { continue };
                if request[..read].starts_with(b"GET /status ") {
                    requests.fetch_add(1, Ordering::SeqCst);
                    let body = status.lock().unwrap().to_string();
                    let head =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                    let _ = stream.write_all((head + &body).as_bytes());
                }
            }
        });
        worker
    }

    /// Changes the status that it serves.
    pub fn set_status(&self, status: Value) {
        *self.status.lock().unwrap() = status;
    }

    /// Returns the number of requests for its status so far.
    pub fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits for so many more requests for its status.
    #[track_caller]
    pub fn wait_for_requests(&self, more: u32) {
        let before = self.requests();
        wait_until(|| {
            let new = self.requests() - before;
            if new >= more { Ok(()) } else { Err(format!("{new} of {more} more requests")) }
        });
    }
}

/// Returns the status of a worker whose partitions have this lag.
pub fn status(lag: u64) -> Value {
    json!({"rates": {"eventsPerSecond": 2.5, "deadLettersPerSecond": 0.5},
        "source": {"partitions": [{"lag": lag}, {"lag": null}]},
        "deadLetters": {"written": 3, "byReason": {"SchemaViolation": 2, "NotJson": 1}},
        "unclassifiedFields": ["/note/*"]})
}

/// Waits until a pipeline has so many pods with the image that its Deployment has now. Returns
/// their names. Pods with an older image and pods in deletion are left out: they may disappear at
/// any moment.
#[track_caller]
pub fn wait_for_pods(namespace: &TempNamespace, pipeline: &str, count: usize) -> Vec<String> {
    wait_until(|| {
        let deployment = namespace.get(&format!("deployment/{pipeline}-worker"));
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        let pods = namespace.list("pod", &format!("lethe.dev/pipeline={pipeline}"));
        let current = pods.iter().filter(|pod| {
            pod["metadata"]["deletionTimestamp"].is_null() && &pod["spec"]["containers"][0]["image"] == image
        });
        let names: Vec<String> = current.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        if names.len() == count { Ok(names) } else { Err(format!("{names:?} are not {count} pods")) }
    })
}

/// Marks a pod as ready at the address of a worker, as a kubelet does.
pub fn mark_ready(namespace: &TempNamespace, pod: &str, worker: &FakeWorker) {
    let ready = json!({"status": {"phase": "Running", "podIP": worker.address, "podIPs": [{"ip": worker.address}],
        "conditions": [{"type": "Ready", "status": "True"}]}});
    namespace.patch_status(&format!("pod/{pod}"), &ready);
}
