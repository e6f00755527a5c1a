//! A topic as the destination of a stream.

use std::path::PathBuf;

use clap::Args;

use super::Failure;

/// Which topic of which cluster.
#[derive(Args)]
#[command(next_help_heading = "With --to kafka")]
pub(super) struct TopicArgs {
    /// The topic. It must be there.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// A broker on this machine that is spoken to in plain text, without a login.
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["store", "paths"])]
    bootstrap: Option<String>,

    /// The DataStore of the cluster, as NAME or NAMESPACE/NAME: its addresses, its TLS, its login.
    #[arg(long, value_name = "NAME", requires = "paths")]
    store: Option<String>,

    /// Where the DataStore and its Secrets are: a manifest, a directory of manifests, or - for
    /// standard input. May be given several times.
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", requires = "store")]
    paths: Vec<PathBuf>,

    /// Write deletions as records without a value, which compaction removes the subject's records
    /// by.
    #[arg(long)]
    tombstones: bool,
}

impl TopicArgs {
    /// Whether any option of a topic is given.
    pub(super) fn is_given(&self) -> bool {
        let Self { topic, bootstrap, store, paths, tombstones } = self;
        topic.is_some() || bootstrap.is_some() || store.is_some() || !paths.is_empty() || *tombstones
    }

    fn topic(&self) -> Result<&str, Failure> {
        self.topic.as_deref().ok_or_else(|| Failure::Usage("--to kafka needs --topic".to_owned()))
    }
}

#[cfg(feature = "kafka")]
mod kafka {
    use std::net::IpAddr;

    use lethe_core::pipeline::StoreKind;
    use lethe_crds::load::{DEFAULT_NAMESPACE, Resources, Secret, read_paths};
    use lethe_stores::{
        kafka::Feeder,
        open::{self, KafkaConnection, SecretFault, Secrets},
    };
    use tokio::runtime::Builder;

    use super::{Failure, TopicArgs};
    use crate::Topic;

    impl TopicArgs {
        /// Connects.
        pub(in super::super) fn open(&self) -> Result<Topic, Failure> {
            let topic = self.topic()?;
            let connection = self.connection()?;
            let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::other)?;
            let feeder = runtime.block_on(Feeder::connect(&connection, topic))?;
            Ok(Topic::new(feeder, self.tombstones))
        }

        fn connection(&self) -> Result<KafkaConnection, Failure> {
            match (&self.bootstrap, &self.store) {
                (Some(address), _) if is_loopback(address) => Ok(KafkaConnection {
                    store: address.clone(),
                    bootstrap_servers: vec![address.clone()],
                    tls: None,
                    login: None,
                }),
                (Some(address), _) => Err(Failure::Usage(format!(
                    "{address} is no host:port of this machine, and --bootstrap speaks in plain text; declare the \
                     cluster as a DataStore, and give it with -f and --store"
                ))),
                (None, Some(name)) => {
                    let (namespace, name) = name.split_once('/').unwrap_or((DEFAULT_NAMESPACE, name));
                    declared(&read_paths(&self.paths)?, namespace, name)
                }
                (None, None) => Err(Failure::Usage(
                    "--to kafka needs --bootstrap, for a broker on this machine, or -f and --store, for a DataStore"
                        .to_owned(),
                )),
            }
        }
    }

    /// The Secrets of a namespace.
    struct OfNamespace<'r>(&'r Resources, &'r str);

    impl Secrets for OfNamespace<'_> {
        fn secret(&self, name: &str) -> Option<&Secret> {
            self.0.secret(self.1, name)
        }
    }

    /// Returns how to reach the Kafka cluster of a declared DataStore.
    fn declared(resources: &Resources, namespace: &str, name: &str) -> Result<KafkaConnection, Failure> {
        let store = resources
            .data_store(namespace, name)
            .ok_or_else(|| Failure::Usage(format!("the manifests hold no DataStore {namespace}/{name}")))?;
        let connection = open::kafka_connection(store, &OfNamespace(resources, namespace)).map_err(|error| {
            Failure::Manifests(match error.fault {
                SecretFault::Absent => format!("{error}; give its file with -f, too"),
                SecretFault::NotAllowed(_) | SecretFault::NoKey(_) | SecretFault::NotText(_) => error.to_string(),
            })
        })?;
        connection.ok_or_else(|| {
            let kind = StoreKind::try_from(&store.spec).map_or_else(|error| error.to_string(), |kind| kind.to_string());
            Failure::Other(format!("--to kafka needs a DataStore of Kafka, and {namespace}/{name} is {kind}"))
        })
    }

    /// Returns true if an address, as HOST:PORT, is one of this machine.
    fn is_loopback(address: &str) -> bool {
        let Some((host, port)) = address.rsplit_once(':') else { return false };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let local = host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        local && port.parse::<u16>().is_ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn plain_text_stays_on_this_machine() {
            for near in ["localhost:9092", "127.0.0.1:9092", "127.8.8.8:1", "[::1]:19092"] {
                assert!(is_loopback(near), "{near}");
            }
            for far in
                ["localhost", "kafka:9092", "10.0.0.1:9092", "localhost.example.com:9092", "[::2]:9092", "::1", ":1"]
            {
                assert!(!is_loopback(far), "{far}");
            }
        }
    }
}

/// A build without the feature `kafka`.
#[cfg(not(feature = "kafka"))]
impl TopicArgs {
    pub(super) fn open(&self) -> Result<crate::Lines<std::io::Sink>, Failure> {
        self.topic()?;
        Err(Failure::Other("this build of lethe-generate has no support for Kafka".to_owned()))
    }
}
