//! Checks that a topic fits its declaration, and creates it if the manifest allows that.

use std::time::Duration;

use lethe_crds::profile_pipeline::Manage;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfig,
    error::RDKafkaErrorCode as Code,
};

use crate::{
    Access, ErrorKind, StoreError,
    contract::KafkaConnection,
    kafka::{
        connect::{asking, config},
        fault::{error, mismatch, of_code, of_kafka},
    },
};

/// How long a new topic may take until all brokers know it.
const SPREADING: Duration = Duration::from_secs(15);

/// What a topic is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The topic is read.
    Source,
    /// The topic holds every event.
    Append,
    /// The topic holds the latest state of each subject. It must be compacted.
    Latest,
    /// The topic holds dead letters. It must not be compacted.
    DeadLetters,
}

/// The declaration of a topic.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Name of the topic.
    pub name: String,
    /// What the topic is used for.
    pub need: Need,
    /// Whether Lethe creates the topic.
    pub manage: Manage,
    /// Number of partitions, if Lethe creates the topic.
    pub partitions: Option<i32>,
    /// Number of replicas, if Lethe creates the topic.
    pub replication: Option<i32>,
}

/// Checks that a topic exists and fits its declaration. Creates an absent topic if `manage` is
/// `Create` and `access` allows it. Returns the number of partitions: 0 if the topic is absent and
/// a later run creates it.
pub async fn ensure(connection: &KafkaConnection, topic: &Topic, access: Access) -> Result<usize, StoreError> {
    let found = look(connection, topic).await?;
    let made = match found {
        Some(found) => found,
        None if topic.manage == Manage::Create && access == Access::Create => {
            create(connection, topic).await?;
            let until = tokio::time::Instant::now() + SPREADING;
            loop {
                if let Some(found) = look(connection, topic).await? {
                    break found;
                }
                if tokio::time::Instant::now() > until {
                    return Err(error(
                        connection,
                        ErrorKind::Timeout,
                        format!("the topic {:?} was made, and no broker knows it yet", topic.name),
                    ));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        // The first run creates it.
        None if topic.manage == Manage::Create => return Ok(0),
        None => {
            let fix = match topic.need {
                Need::Source => "make it, or correct spec.source.kafka.topic",
                Need::Append | Need::Latest | Need::DeadLetters => "make it, or set manage: Create",
            };
            return Err(mismatch(connection, format!("the topic {:?} does not exist: {fix}", topic.name)));
        }
    };
    fits(connection, topic, &made)?;
    cleanup_fits(connection, topic).await?;
    Ok(made.partitions)
}

struct Found {
    partitions: usize,
    replicas: usize,
}

async fn look(connection: &KafkaConnection, topic: &Topic) -> Result<Option<Found>, StoreError> {
    let (connection, name) = (connection.clone(), topic.name.clone());
    let looking = tokio::task::spawn_blocking(move || {
        let found = asking(&connection, |client, timeout| {
            use rdkafka::producer::Producer;
            let metadata = client.client().fetch_metadata(Some(&name), timeout)?;
            let topic = metadata.topics().first();
            let code = topic.and_then(rdkafka::metadata::MetadataTopic::error).map(Code::from);
            let partitions = topic.map_or(0, |topic| topic.partitions().len());
            let replicas = topic.and_then(|topic| topic.partitions().iter().map(|p| p.replicas().len()).min());
            match code {
                Some(Code::LeaderNotAvailable) => {
                    Err(rdkafka::error::KafkaError::MetadataFetch(Code::LeaderNotAvailable))
                }
                code => Ok((code, Found { partitions, replicas: replicas.unwrap_or(0) })),
            }
        })?;
        match found {
            (None, found) if found.partitions > 0 => Ok(Some(found)),
            (None | Some(Code::UnknownTopicOrPartition | Code::UnknownTopic), _) => Ok(None),
            (Some(code), _) => {
                let mut answer = of_code(&connection, code, "");
                if !answer.is_transient() && answer.kind != ErrorKind::Internal {
                    answer.message = format!("topic {name:?}: {}", answer.message);
                }
                Err(answer)
            }
        }
    });
    looking.await.map_err(|_| lost(connection_name(topic)))?
}

fn connection_name(topic: &Topic) -> &str {
    &topic.name
}

fn lost(name: &str) -> StoreError {
    StoreError::new(ErrorKind::Internal, name, "asking for the topic ended without an answer")
}

fn fits(connection: &KafkaConnection, topic: &Topic, found: &Found) -> Result<(), StoreError> {
    let wanted = topic.partitions.and_then(|wanted| usize::try_from(wanted).ok());
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found.partitions) {
        return Err(mismatch(
            connection,
            format!(
                "the topic {:?} has {} partitions, and the manifest says {wanted}: a change of partitions breaks the \
                 order of a subject's events, so correct the manifest, or write to a new topic",
                topic.name, found.partitions
            ),
        ));
    }
    let wanted = topic.replication.and_then(|wanted| usize::try_from(wanted).ok());
    if let Some(wanted) = wanted.filter(|wanted| *wanted > found.replicas) {
        return Err(mismatch(
            connection,
            format!(
                "the topic {:?} has {} replicas, and the manifest says {wanted}: correct the manifest, or reassign \
                 the topic's partitions",
                topic.name, found.replicas
            ),
        ));
    }
    Ok(())
}

fn admin(connection: &KafkaConnection) -> Result<AdminClient<DefaultClientContext>, StoreError> {
    AdminClient::from_config(&config(connection)).map_err(|error| of_kafka(connection, &error, None))
}

fn options() -> AdminOptions {
    let timeout = Some(Duration::from_secs(10));
    AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
}

async fn create(connection: &KafkaConnection, topic: &Topic) -> Result<(), StoreError> {
    let replication = TopicReplication::Fixed(topic.replication.unwrap_or(-1));
    let mut new = NewTopic::new(&topic.name, topic.partitions.unwrap_or(-1), replication);
    match topic.need {
        Need::Latest => new = new.set("cleanup.policy", "compact"),
        Need::DeadLetters => new = new.set("cleanup.policy", "delete"),
        Need::Source | Need::Append => {}
    }
    let admin = admin(connection)?;
    let answers = admin.create_topics([&new], &options()).await.map_err(|error| of_kafka(connection, &error, None))?;
    for answer in answers {
        match answer {
            // Another worker has created it in the meantime.
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((_, code @ (Code::InvalidReplicationFactor | Code::PolicyViolation | Code::InvalidPartitions))) => {
                return Err(mismatch(
                    connection,
                    format!(
                        "the cluster refuses to make the topic {:?} ({code}): change partitions or replication; a \
                         replica needs a broker of its own",
                        topic.name
                    ),
                ));
            }
            Err((_, code)) => return Err(of_code(connection, code, &format!("{code}"))),
        }
    }
    tracing::info!(topic = topic.name, "topic created");
    Ok(())
}

/// Checks the cleanup policy. Compaction keeps only the last of all letters of a subject, so a
/// compacted topic of dead letters is an error. A topic of the latest state that is not compacted
/// grows without limit or loses states to its retention, which is logged as a warning.
async fn cleanup_fits(connection: &KafkaConnection, topic: &Topic) -> Result<(), StoreError> {
    if matches!(topic.need, Need::Source | Need::Append) {
        return Ok(());
    }
    let Some(policy) = setting(connection, &topic.name, "cleanup.policy").await? else {
        tracing::warn!(
            topic = topic.name,
            "this user may not read the topic's configuration (ACL DescribeConfigs), so its cleanup.policy is unknown"
        );
        return Ok(());
    };
    let compacted = policy.contains("compact");
    if topic.need == Need::DeadLetters && compacted {
        return Err(mismatch(
            connection,
            format!(
                "the topic {:?} of the dead letters is compacted, which would drop letters that share a subject: set \
                 cleanup.policy=delete on it",
                topic.name
            ),
        ));
    }
    if topic.need == Need::Latest && !compacted {
        tracing::warn!(
            topic = topic.name,
            "the topic holds the latest state of each subject and is not compacted: states go with its retention; \
             set cleanup.policy=compact"
        );
    }
    Ok(())
}

/// Returns how many bytes a batch of records may have in a topic, so also a single record. Returns
/// `None` if this user may not read the topic's configuration or the topic does not exist.
pub async fn largest_batch(connection: &KafkaConnection, topic: &str) -> Result<Option<u64>, StoreError> {
    Ok(setting(connection, topic, "max.message.bytes").await?.and_then(|bytes| bytes.parse().ok()))
}

/// Returns a setting of a topic; `None` if it can't be read.
async fn setting(connection: &KafkaConnection, topic: &str, name: &str) -> Result<Option<String>, StoreError> {
    let admin = admin(connection)?;
    let asked = [ResourceSpecifier::Topic(topic)];
    let answers =
        admin.describe_configs(&asked, &options()).await.map_err(|error| of_kafka(connection, &error, None))?;
    let resource = answers.into_iter().next().and_then(Result::ok);
    Ok(resource.map(|resource| resource.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default()))
}
