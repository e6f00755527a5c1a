//! Checks of the dead letter. A pipeline without one would have to lose the events that cannot be
//! processed, or stop at the first, so it is refused.

use lethe_crds::profile_pipeline::DeadLetter;

use super::{
    DeadLetterRules, DeadLetterTarget,
    mistake::{Notes, code},
    references::{exactly_one, store},
    surroundings::{StoreKind, Surroundings},
};

const DAY: i64 = 86_400_000;
/// The most days that the key of a day may outlive it.
const MOST_DAYS: i64 = 21;

/// Returns the rules of the dead letter, if they are complete.
pub(super) fn check(
    dead_letter: Option<&DeadLetter>,
    around: &dyn Surroundings,
    notes: &mut Notes,
) -> Option<DeadLetterRules> {
    let Some(dead_letter) = dead_letter else {
        notes.refuse(
            code::DEAD_LETTER_MISSING,
            "spec.deadLetter",
            "an event that breaks a rule has nowhere to go, and it must not be lost",
            "add deadLetter: {keepFor: 7d, kafka: {storeRef, topic}} or {keepFor: 7d, embedded: {storeRef}}",
        );
        return None;
    };
    let length = dead_letter.keep_for.millis();
    let days = (length % DAY == 0 && (1..=MOST_DAYS).contains(&(length / DAY))).then_some(length / DAY);
    if days.is_none() {
        notes.refuse(
            code::OUT_OF_RANGE,
            "spec.deadLetter.keepFor",
            format!(
                "{} is not 1 to {MOST_DAYS} whole days: keys of dead letters are destroyed by the day",
                dead_letter.keep_for
            ),
            "write it in days, such as 7d",
        );
    }
    let members = [("kafka", dead_letter.kafka.is_some()), ("embedded", dead_letter.embedded.is_some())];
    exactly_one("spec.deadLetter", &members, notes)?;
    let target = match (&dead_letter.kafka, &dead_letter.embedded) {
        (Some(kafka), _) => {
            store("spec.deadLetter.kafka", &kafka.store_ref, &[StoreKind::Kafka], around, notes);
            DeadLetterTarget::Kafka(kafka.clone())
        }
        (None, Some(embedded)) => DeadLetterTarget::Embedded {
            store: store("spec.deadLetter.embedded", &embedded.store_ref, &[StoreKind::Embedded], around, notes),
        },
        (None, None) => return None,
    };
    Some(DeadLetterRules { keep_days: u8::try_from(days?).ok()?, target })
}
