//! Opens and checks stores of dead letters.

use std::sync::Arc;

use lethe_core::pipeline::{DeadLetterTarget, SourceRules};

use super::{OpenError, Stores};
use crate::DeadLetters;

const WHAT: &str = "the dead letter";

/// Opens a store of dead letters. Creates its topic if the manifest and the access of `stores`
/// allow that.
pub async fn open_dead_letters(
    target: &DeadLetterTarget,
    stores: &mut Stores<'_>,
) -> Result<Arc<dyn DeadLetters>, OpenError> {
    check_dead_letters(target, stores).await?;
    match target {
        DeadLetterTarget::Embedded { store } => Ok(stores.embedded(store, WHAT)?),
        #[cfg(feature = "kafka")]
        DeadLetterTarget::Kafka(to) => {
            let connection = stores.kafka(&to.store_ref.name, WHAT)?;
            Ok(Arc::new(crate::kafka::KafkaLetters::open(&connection, &to.topic)?))
        }
        #[cfg(not(feature = "kafka"))]
        DeadLetterTarget::Kafka(_) => Err(super::unsupported(WHAT, "kafka")),
    }
}

/// Checks that the topic of dead letters matches the manifest. Creates it if the manifest and the
/// access of `stores` allow that.
pub async fn check_dead_letters(target: &DeadLetterTarget, stores: &mut Stores<'_>) -> Result<(), OpenError> {
    match target {
        DeadLetterTarget::Embedded { .. } => Ok(()),
        #[cfg(feature = "kafka")]
        DeadLetterTarget::Kafka(to) => {
            use crate::kafka::{Need, Topic, ensure};
            let connection = stores.kafka(&to.store_ref.name, WHAT)?;
            let topic = Topic {
                name: to.topic.clone(),
                need: Need::DeadLetters,
                manage: to.manage.unwrap_or(lethe_crds::profile_pipeline::Manage::Check),
                partitions: to.partitions,
                replication: to.replication,
            };
            ensure(&connection, &topic, stores.access()).await?;
            Ok(())
        }
        #[cfg(not(feature = "kafka"))]
        DeadLetterTarget::Kafka(_) => {
            let _ = stores;
            Err(super::unsupported(WHAT, "kafka"))
        }
    }
}

/// Compares the largest record of the source's topic with that of the topic of dead letters. Returns
/// what is wrong if a record may be too large for its letter to hold it. Returns `None` if the
/// limits can't be read.
pub async fn compare_record_sizes(
    source: &SourceRules,
    target: &DeadLetterTarget,
    stores: &Stores<'_>,
) -> Result<Option<String>, OpenError> {
    #[cfg(feature = "kafka")]
    if let (SourceRules::Kafka { store, topic, .. }, DeadLetterTarget::Kafka(to)) = (source, target) {
        use crate::kafka::largest_batch;
        let of_source = largest_batch(&stores.kafka(store, "the source")?, topic).await?;
        let of_letters = largest_batch(&stores.kafka(&to.store_ref.name, WHAT)?, &to.topic).await?;
        return Ok(match (of_source, of_letters) {
            (Some(of_source), Some(of_letters)) if of_source > of_letters => Some(format!(
                "the topic {topic:?} of the source takes records of {of_source} bytes, and the topic {:?} of the dead \
                 letters only {of_letters}: a larger record that is rejected is not kept whole",
                to.topic
            )),
            _ => None,
        });
    }
    #[cfg(not(feature = "kafka"))]
    let _ = (source, target, stores);
    Ok(None)
}
