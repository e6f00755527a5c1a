//! Opens and checks stores of dead letters.

use std::sync::Arc;

use lethe_core::pipeline::DeadLetterTarget;

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
