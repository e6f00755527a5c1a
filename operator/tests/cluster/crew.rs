//! Pods that nobody runs, and programs that answer in their place: what a node would do, as far as the operator sees
//! it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};

use crate::house::{Room, awaited};

/// Where workers answer.
const PORT: u16 = 9090;

/// Something that answers `/status` at an address of its own.
pub struct Worker {
    pub address: Ipv4Addr,
    says: Arc<Mutex<Value>>,
    asked: Arc<AtomicU32>,
}

impl Worker {
    pub fn new(says: Value) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = std::process::id() % 200 * 256 + NEXT.fetch_add(1, Ordering::Relaxed) % 256;
        let address = Ipv4Addr::new(127, 77, (number / 256) as u8, (number % 256) as u8);
        let listener = TcpListener::bind((address, PORT)).unwrap();
        let worker = Self { address, says: Arc::new(Mutex::new(says)), asked: Arc::default() };
        let (says, asked) = (Arc::clone(&worker.says), Arc::clone(&worker.asked));
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut request = [0; 4096];
                let Ok(read) = stream.read(&mut request) else { continue };
                if request[..read].starts_with(b"GET /status ") {
                    asked.fetch_add(1, Ordering::SeqCst);
                    let body = says.lock().unwrap().to_string();
                    let head =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                    let _ = stream.write_all((head + &body).as_bytes());
                }
            }
        });
        worker
    }

    pub fn says(&self, says: Value) {
        *self.says.lock().unwrap() = says;
    }

    /// How often it was asked.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until it was asked so many times more.
    #[track_caller]
    pub fn until_asked(&self, more: u32) {
        let before = self.asked();
        awaited(|| {
            let asked = self.asked() - before;
            if asked >= more { Ok(()) } else { Err(format!("it was asked {asked} times more")) }
        });
    }
}

/// What a worker says whose partitions have this lag.
pub fn status(lag: u64) -> Value {
    json!({"rates": {"eventsPerSecond": 2.5, "deadLettersPerSecond": 0.5}, "source": {"partitions": [{"lag": lag}, {"lag": null}]},
        "deadLetters": {"written": 3, "byReason": {"SchemaViolation": 2, "NotJson": 1}},
        "unclassifiedFields": ["/note/*"]})
}

/// Names of the pods of the version that a pipeline's Deployment has now, once there are so many. Those of an older
/// version, and those that go, are not counted: they may be gone before anything is done with them.
#[track_caller]
pub fn pods(room: &Room, pipeline: &str, count: usize) -> Vec<String> {
    awaited(|| {
        let deployment = room.get(&format!("deployment/{pipeline}-worker"));
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        let selector = format!("-l=lethe.dev/pipeline={pipeline}");
        let all = room.kubectl(&["get", "pods", &selector, "-o", "json"]);
        let all: Value = serde_json::from_str(&all).unwrap();
        let of_now = all["items"].as_array().unwrap().iter().filter(|pod| {
            pod["metadata"]["deletionTimestamp"].is_null() && &pod["spec"]["containers"][0]["image"] == image
        });
        let names: Vec<String> = of_now.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        if names.len() == count { Ok(names) } else { Err(format!("{names:?}")) }
    })
}

/// Has a pod be ready, at the address of a worker: what a kubelet tells.
pub fn run(room: &Room, pod: &str, worker: &Worker) {
    let ready = json!({"status": {"phase": "Running", "podIP": worker.address, "podIPs": [{"ip": worker.address}],
        "conditions": [{"type": "Ready", "status": "True"}]}});
    room.kubectl(&["patch", "pod", pod, "--subresource=status", "--type=merge", "-p", &ready.to_string()]);
}
