//! The servers of a scenario. A scenario that stops servers starts private ones. The others share
//! those of all tests, except in a soak, where a private server takes no load of other tests.

use std::{
    net::TcpListener,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

use lethe_tests::engines::{Engines, PrivateEngine, engines};

use crate::{pipeline_fixture::PipelineFixture, proxy::Proxy, soak::is_soak};

/// Ports of three Kafka nodes and of the proxies before them.
const PORTS: u16 = 60;
/// Offset of the port that Kafka's proxied listener advertises.
const PROXY: u16 = 30;

/// Held by a scenario that stops servers: the restart of a server beside others that start may take
/// a minute, and the recovery then measures the machine.
static RESTARTS: Mutex<()> = Mutex::new(());
/// Held by a scenario behind the one port that a shared Kafka advertises for proxies.
static PROXIED_KAFKA: Mutex<()> = Mutex::new(());

/// The servers of a scenario. Private ones end with it.
#[derive(Default)]
pub struct SoakServers {
    /// One broker, or three.
    pub kafka: Option<PrivateEngine>,
    /// One node.
    pub cassandra: Option<PrivateEngine>,
    /// One server without a replica set, whose clients stay at the address that they are given.
    pub mongo: Option<PrivateEngine>,
    // Released after the servers have ended.
    _turn: Option<MutexGuard<'static, ()>>,
}

/// A proxy before each server of a scenario.
pub struct Proxies {
    /// Before Kafka's proxied listener.
    pub kafka: Proxy,
    /// Before Cassandra.
    pub cassandra: Proxy,
    /// Before MongoDB.
    pub mongo: Proxy,
}

impl SoakServers {
    /// Returns the servers that tests share.
    pub fn shared() -> Self {
        let turn = is_soak().then(|| lock(&RESTARTS));
        Self { _turn: turn, ..Self::default() }
    }

    /// Starts private servers of one engine, which the scenario stops.
    pub fn to_restart(engine: &'static str, nodes: u8) -> Self {
        Self::start(&[engine], nodes, lock(&RESTARTS))
    }

    /// Returns servers for [`Self::proxied`]. A shared MongoDB is a replica set, whose clients
    /// bypass a proxy: that one is always private.
    pub fn behind_proxies() -> Self {
        if has_proxied_kafka() {
            Self::start(&["mongo"], 1, lock(&PROXIED_KAFKA))
        } else {
            Self::start(&["kafka", "cassandra", "mongo"], 1, lock(&RESTARTS))
        }
    }

    /// Returns servers whose Kafka has a listener for a proxy.
    pub fn with_proxied_kafka() -> Self {
        if has_proxied_kafka() {
            Self { _turn: Some(lock(&PROXIED_KAFKA)), ..Self::default() }
        } else {
            Self::start(&["kafka"], 1, lock(&RESTARTS))
        }
    }

    fn start(names: &[&'static str], nodes: u8, turn: MutexGuard<'static, ()>) -> Self {
        let starting = names.iter().map(|&name| (name, thread::spawn(move || start(name, nodes))));
        let starting: Vec<_> = starting.collect();
        let mut servers = Self { _turn: Some(turn), ..Self::default() };
        for (name, server) in starting {
            let server = Some(server.join().unwrap());
            match name {
                "kafka" => servers.kafka = server,
                "cassandra" => servers.cassandra = server,
                _ => servers.mongo = server,
            }
        }
        servers
    }

    /// Returns the facts of the private servers, and of the shared ones of the other engines.
    pub fn engines(&self) -> Engines {
        let private = [&self.kafka, &self.cassandra, &self.mongo].into_iter().flatten();
        private.fold(engines().clone(), |all, server| all.with(&server.facts))
    }

    /// Puts proxies between the workers of a fixture and their servers. The test itself does not
    /// use them.
    pub fn proxied(&self, fixture: &PipelineFixture) -> Proxies {
        let (mut stores, engines) = (String::from_utf8(fixture.folder.read("store.yaml")).unwrap(), self.engines());
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
        fixture.folder.write("store.yaml", stores);
        proxies
    }
}

fn lock(mutex: &'static Mutex<()>) -> MutexGuard<'static, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether the shared Kafka serves scenarios with a proxy: one that a variable names has no
/// listener for it.
fn has_proxied_kafka() -> bool {
    !is_soak() && engines().get("KAFKA_PROXIED").is_some()
}

fn start(name: &'static str, nodes: u8) -> PrivateEngine {
    let first = ports(PORTS);
    let port = format!("{}_PORT", name.to_uppercase());
    let (first, proxy, nodes) = (first.to_string(), (first + PROXY).to_string(), nodes.to_string());
    let settings: &[_] = match name {
        "kafka" => &[(&*port, &*first), ("KAFKA_PROXY_PORT", &*proxy), ("KAFKA_NODES", &*nodes)],
        "mongo" => &[(&*port, &*first), ("MONGO_STANDALONE", "1")],
        // It is the only node: an acknowledged write must be on its disk when it is killed.
        _ => &[(&*port, &*first), ("CASSANDRA_SYNC", "1")],
    };
    PrivateEngine::start(name, settings)
}

/// Returns the port of `host:port`.
pub fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Returns the first of so many free ports in a row. They are below those that the system gives to
/// clients: a server that restarts gets its ports again.
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
