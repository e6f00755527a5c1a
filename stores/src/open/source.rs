//! Checks sources and resolves how to read them.

use lethe_core::pipeline::SourceRules;

use super::{OpenError, Stores};
use crate::file::FileSourceOptions;

/// A source that was checked and can be read.
pub enum OpenedSource {
    /// Files. They are read from their start unless `resume` is set.
    Files(FileSourceOptions),
    /// An existing topic.
    #[cfg(feature = "kafka")]
    Topic {
        /// Connection settings of its cluster.
        connection: crate::open::KafkaConnection,
        /// Name of the topic.
        topic: String,
        /// The consumer group that reads it.
        group: String,
        /// Where to start if the group has no committed offsets: at the oldest record if true, else
        /// after the newest.
        from_earliest: bool,
    },
}

/// Checks a source. Creates nothing. `now` is the time of records that don't come from a file
/// (standard input, a pipe), in milliseconds since 1970.
pub async fn open_source(rules: &SourceRules, stores: &Stores<'_>, now: i64) -> Result<OpenedSource, OpenError> {
    match rules {
        SourceRules::File { path, format, delimiter, columns } => {
            let mut options = FileSourceOptions::new(path.clone(), *format, now);
            options.delimiter = *delimiter;
            options.columns.clone_from(columns);
            Ok(OpenedSource::Files(options))
        }
        #[cfg(feature = "kafka")]
        SourceRules::Kafka { store, topic, group, from_earliest } => {
            use crate::kafka::{Need, Topic, ensure};
            let connection = stores.kafka(store, "the source")?;
            let wanted = Topic {
                name: topic.clone(),
                need: Need::Source,
                manage: lethe_crds::profile_pipeline::Manage::Check,
                partitions: None,
                replication: None,
            };
            ensure(&connection, &wanted, crate::Access::ReadOnly).await?;
            Ok(OpenedSource::Topic {
                connection,
                topic: topic.clone(),
                group: group.clone(),
                from_earliest: *from_earliest,
            })
        }
        #[cfg(not(feature = "kafka"))]
        SourceRules::Kafka { .. } => {
            let _ = stores;
            Err(super::unsupported("the source", "kafka"))
        }
    }
}
