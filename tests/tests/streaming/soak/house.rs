//! Servers of a scenario's own, to be stopped, killed and cut off; those that it leaves alone are the
//! ones that tests share. One scenario at a time: beside another that starts servers, one that is killed
//! may need a minute to come back, and its recovery says little of workers.

use std::{
    net::TcpListener,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

use lethe_tests::engines::{Engines, Own, engines};

use crate::{proxy::Proxy, stage::Stage};

/// Kafka's ports of three nodes, and of the proxies before them.
const PORTS: u16 = 60;
/// Where the clients of Kafka's proxied listener are sent.
const PROXY: u16 = 30;

/// Servers of a scenario's own, ended before the next scenario begins.
pub struct House {
    /// One broker, or three.
    pub kafka: Option<Own>,
    /// One node.
    pub cassandra: Option<Own>,
    /// One server, no replica set: its clients stay with the proxy that they know.
    pub mongo: Option<Own>,
    // Last: what is above is ended first.
    _turn: MutexGuard<'static, ()>,
}

/// A proxy before each server of a house.
pub struct Proxies {
    /// Before Kafka's proxied listener.
    pub kafka: Proxy,
    /// Before Cassandra.
    pub cassandra: Proxy,
    /// Before MongoDB.
    pub mongo: Proxy,
}

impl House {
    /// Waits for its turn, and starts these engines.
    pub fn with(names: &[&'static str], nodes: u8) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let starting = names.iter().map(|&name| (name, thread::spawn(move || start(name, nodes))));
        let starting: Vec<_> = starting.collect();
        let mut house = Self { kafka: None, cassandra: None, mongo: None, _turn: turn };
        for (name, own) in starting {
            let own = Some(own.join().unwrap());
            match name {
                "kafka" => house.kafka = own,
                "cassandra" => house.cassandra = own,
                _ => house.mongo = own,
            }
        }
        house
    }

    /// What is known of them, and of the shared ones in place of those that are absent.
    pub fn engines(&self) -> Engines {
        let own = [&self.kafka, &self.cassandra, &self.mongo].into_iter().flatten();
        own.fold(engines().clone(), |all, own| all.with(&own.facts))
    }

    /// Sends the workers of a stage through proxies; the test itself goes past them.
    pub fn proxied(&self, stage: &Stage) -> Proxies {
        let (mut stores, engines) = (String::from_utf8(stage.folder.read("store.yaml")).unwrap(), self.engines());
        let mut before = |server: &str, proxy: Proxy| {
            assert_eq!(stores.matches(server).count(), 1, "{server} in {stores}");
            stores = stores.replace(server, &format!("127.0.0.1:{}", proxy.port()));
            proxy
        };
        let advertised = port(engines.get("KAFKA_PROXY").unwrap());
        let proxies = Proxies {
            kafka: before(engines.kafka(), Proxy::at(advertised, port(engines.get("KAFKA_PROXIED").unwrap()))),
            cassandra: before(engines.cassandra(), Proxy::to(port(engines.cassandra()))),
            mongo: before(engines.mongodb(), Proxy::to(port(engines.mongodb()))),
        };
        stage.folder.write("store.yaml", stores);
        proxies
    }
}

fn start(name: &'static str, nodes: u8) -> Own {
    let first = ports(PORTS);
    let port = format!("{}_PORT", name.to_uppercase());
    let (first, proxy, nodes) = (first.to_string(), (first + PROXY).to_string(), nodes.to_string());
    let settings: &[_] = match name {
        "kafka" => &[(&*port, &*first), ("KAFKA_PROXY_PORT", &*proxy), ("KAFKA_NODES", &*nodes)],
        "mongo" => &[(&*port, &*first), ("MONGO_STANDALONE", "1")],
        // What it has answered outlives it: nobody else holds it.
        _ => &[(&*port, &*first), ("CASSANDRA_SYNC", "1")],
    };
    Own::start(name, settings)
}

/// The port of `host:port`.
pub fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// So many free ports in a row; answers the first. They lie below those that the system lends to clients:
/// a server that comes back finds its own.
pub fn ports(count: u16) -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    loop {
        let number = u64::from(std::process::id()) * 97 + u64::from(TAKEN.fetch_add(count, Ordering::Relaxed));
        let first = 12_000 + (number % 6_000) as u16;
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}
