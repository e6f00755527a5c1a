//! A topic as the place where a made-up stream goes.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

use super::super::Failure;

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

    /// Where the DataStore and its Secrets are: a manifest, a directory of manifests, or - for standard
    /// input. May be given several times.
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", requires = "store")]
    paths: Vec<PathBuf>,

    /// Write deletions as records without a value, which compaction removes the subject's records by.
    #[arg(long)]
    tombstones: bool,
}

impl TopicArgs {
    /// Whether anything was said of a topic.
    pub(super) fn is_given(&self) -> bool {
        let Self { topic, bootstrap, store, paths, tombstones } = self;
        topic.is_some() || bootstrap.is_some() || store.is_some() || !paths.is_empty() || *tombstones
    }

    fn topic(&self) -> Result<&str, Failure> {
        self.topic.as_deref().ok_or_else(|| Failure::Usage("--to kafka needs --topic".to_owned()))
    }
}

/// Whether an address is one of this machine.
fn is_loopback(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let local = host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    local && port.parse::<u16>().is_ok()
}

#[cfg(feature = "kafka")]
mod kafka {
    use lethe_crds::load::read_paths;
    use lethe_stores::{Access, connection::KafkaConnection, kafka::Feeder};

    use super::{Failure, TopicArgs, is_loopback};
    use crate::{
        cli::wait_for,
        generate::{Record, Target, TargetError},
        open::Stores,
    };

    /// A topic that takes records: keyed by subject, so that a subject's events stay in order.
    pub(in super::super) struct Topic {
        /// None once it is finished.
        feeder: Option<Feeder>,
        tombstones: bool,
    }

    impl TopicArgs {
        /// Connects.
        pub(in super::super) fn open(&self) -> Result<Topic, Failure> {
            let topic = self.topic()?;
            let connection = self.connection()?;
            let connect = async { Ok(Feeder::connect(&connection, topic).await?) };
            Ok(Topic { feeder: Some(wait_for(connect)?), tombstones: self.tombstones })
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
                    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
                    let resources = read_paths(&self.paths)?;
                    Ok(Stores::new(&resources, namespace, Access::Look, true).kafka(name, "--to kafka")?)
                }
                (None, None) => Err(Failure::Usage(
                    "--to kafka needs --bootstrap, for a broker on this machine, or -f and --store, for a DataStore"
                        .to_owned(),
                )),
            }
        }
    }

    impl Target for Topic {
        fn write(&mut self, record: &Record) -> Result<(), TargetError> {
            let Some(feeder) = &mut self.feeder else { return Ok(()) };
            let value = if record.deleted && self.tombstones { None } else { Some(&record.value[..]) };
            Ok(feeder.send(Some(&record.key), value, record.timestamp)?)
        }

        /// Records go when they are there.
        fn flush(&mut self) -> Result<(), TargetError> {
            Ok(())
        }

        fn finish(&mut self) -> Result<(), TargetError> {
            if let Some(feeder) = self.feeder.take() {
                feeder.finish()?;
            }
            Ok(())
        }
    }
}

/// What this build can't.
#[cfg(not(feature = "kafka"))]
impl TopicArgs {
    pub(super) fn open(&self) -> Result<crate::generate::Lines<std::io::Sink>, Failure> {
        self.topic()?;
        Err(Failure::Other("this build of lethe-worker has no support for Kafka".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        for near in ["localhost:9092", "127.0.0.1:9092", "127.8.8.8:1", "[::1]:19092"] {
            assert!(is_loopback(near), "{near}");
        }
        for far in ["localhost", "kafka:9092", "10.0.0.1:9092", "localhost.example.com:9092", "[::2]:9092", "::1", ":1"]
        {
            assert!(!is_loopback(far), "{far}");
        }
    }
}
