//! Data categories: those of the Fides taxonomy (fideslang 3.2,
//! <https://ethyca.github.io/fideslang/>), each with the nature that Lethe needs.
//!
//! A *direct identifier* names or reaches a person by itself. Of addresses, state and country do
//! not (as in the HIPAA safe harbour, 45 CFR 164.514(b)(2)). *Sensitive* is what GDPR Articles 9
//! and 10 and the CCPA (1798.140(ae)) protect most.

use super::{
    mistake::{Notes, code},
    suggest::did_you_mean,
};

/// The nature of a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// It names or reaches a person by itself.
    Direct,
    /// Text that a person wrote: it may hold anything.
    FreeText,
    /// Protected most by law, but not an identifier.
    Sensitive,
    /// Personal, and none of the above.
    Personal,
    /// Not personal.
    System,
}

/// The taxonomy. A category that is not in it has the nature of its nearest ancestor that is.
const TAXONOMY: &[(&str, Nature)] = {
    use Nature::{Direct, FreeText, Personal, Sensitive, System};
    &[
        ("system", System),
        ("system.authentication", System),
        ("system.operations", System),
        // "user" alone does not limit the data: it may be anything.
        ("user", Direct),
        ("user.account", Personal),
        ("user.account.settings", Personal),
        ("user.account.username", Direct),
        ("user.authorization", Direct),
        ("user.authorization.biometric", Direct),
        ("user.authorization.biometrics", Direct),
        ("user.authorization.credentials", Direct),
        ("user.authorization.password", Direct),
        ("user.behavior", Personal),
        ("user.behavior.browsing_history", Personal),
        ("user.behavior.media_consumption", Personal),
        ("user.behavior.purchase_history", Personal),
        ("user.behavior.search_history", FreeText),
        ("user.biometric", Direct),
        ("user.biometric.fingerprint", Direct),
        ("user.biometric.health", Direct),
        ("user.biometric.retinal", Direct),
        ("user.biometric.voice", Direct),
        ("user.biometrics", Direct),
        ("user.biometrics.fingerprint", Direct),
        ("user.biometrics.retinal", Direct),
        ("user.biometrics.voice", Direct),
        ("user.children", Sensitive),
        ("user.children.children_under_thirteen", Sensitive),
        ("user.children.thirteen_to_sixteen", Sensitive),
        ("user.childrens", Sensitive),
        ("user.contact", Direct),
        ("user.contact.address", Direct),
        ("user.contact.address.city", Direct),
        ("user.contact.address.country", Personal),
        ("user.contact.address.mailing_address", Direct),
        ("user.contact.address.postal_code", Direct),
        ("user.contact.address.state", Personal),
        ("user.contact.address.street", Direct),
        ("user.contact.email", Direct),
        ("user.contact.fax_number", Direct),
        ("user.contact.organization", Direct),
        ("user.contact.phone_number", Direct),
        ("user.contact.social_url", Direct),
        ("user.contact.url", Direct),
        ("user.content", FreeText),
        ("user.content.private", FreeText),
        ("user.content.public", FreeText),
        ("user.content.self_image", Direct),
        ("user.credentials", Direct),
        ("user.criminal_history", Sensitive),
        ("user.demographic", Personal),
        ("user.demographic.age_range", Personal),
        ("user.demographic.citizenship_or_immigration_status", Sensitive),
        ("user.demographic.date_of_birth", Personal),
        ("user.demographic.gender", Personal),
        ("user.demographic.language", Personal),
        ("user.demographic.marital_status", Personal),
        ("user.demographic.philosophical_belief", Sensitive),
        ("user.demographic.political_opinion", Sensitive),
        ("user.demographic.profile", Personal),
        ("user.demographic.protected_classifications", Sensitive),
        ("user.demographic.race_ethnicity", Sensitive),
        ("user.demographic.religious_belief", Sensitive),
        ("user.demographic.sexual_orientation", Sensitive),
        ("user.demographic.union_membership", Sensitive),
        ("user.device", Direct),
        ("user.device.cookie", Direct),
        ("user.device.cookie_id", Direct),
        ("user.device.device_id", Direct),
        ("user.device.ip_address", Direct),
        ("user.device.sensor", Direct),
        ("user.device.telemetry", Direct),
        ("user.financial", Personal),
        ("user.financial.account_number", Direct),
        ("user.financial.bank_account", Direct),
        ("user.financial.credit_card", Direct),
        ("user.government_id", Direct),
        ("user.government_id.birth_certificate", Direct),
        ("user.government_id.drivers_license_number", Direct),
        ("user.government_id.immigration", Direct),
        ("user.government_id.national_identification_number", Direct),
        ("user.government_id.passport_number", Direct),
        ("user.government_id.vehicle_registration", Direct),
        ("user.health", Sensitive),
        ("user.health.baby_formula", Sensitive),
        ("user.health.condition", Sensitive),
        ("user.health.genetic", Direct),
        ("user.health.insurance_beneficiary_id", Direct),
        ("user.health.maternity_clothing", Sensitive),
        ("user.health.medical_diagnosis", Sensitive),
        ("user.health.medications", Sensitive),
        ("user.health.prescriptions", Sensitive),
        ("user.health.record_id", Direct),
        ("user.health.reproductive_or_sexual", Sensitive),
        ("user.health.social_psychological_behavioral", Sensitive),
        // The spelling of the taxonomy.
        ("user.health.symptons", Sensitive),
        ("user.health.treatment", Sensitive),
        ("user.health_and_medical", Sensitive),
        ("user.health_and_medical.genetic", Direct),
        ("user.health_and_medical.insurance_beneficiary_id", Direct),
        ("user.health_and_medical.record_id", Direct),
        ("user.job_title", Personal),
        ("user.location", Personal),
        ("user.location.coarse", Personal),
        ("user.location.imprecise", Personal),
        ("user.location.precise", Sensitive),
        ("user.name", Direct),
        ("user.name.first", Direct),
        ("user.name.last", Direct),
        ("user.payment", Personal),
        ("user.payment.financial_account_number", Direct),
        ("user.privacy_preferences", Personal),
        ("user.professional_information", Personal),
        ("user.professional_information.job_title", Personal),
        ("user.professional_information.workplace", Personal),
        ("user.sensor", Direct),
        ("user.settings", Personal),
        ("user.social", Personal),
        ("user.social_activity", Personal),
        ("user.telemetry", Direct),
        ("user.unique_id", Direct),
        ("user.unique_id.deterministic", Direct),
        // The spelling of the taxonomy.
        ("user.unique_id.probablistic", Direct),
        ("user.unique_id.pseudonymous", Direct),
        ("user.user_sensor", Direct),
        ("user.workplace", Personal),
    ]
};

fn known(category: &str) -> Option<Nature> {
    TAXONOMY.iter().find(|(name, _)| *name == category).map(|(_, nature)| *nature)
}

/// Returns the nature of a category, or of its nearest known ancestor. Without one, it counts as a
/// direct identifier.
pub(super) fn nature(category: &str) -> Nature {
    ancestors(category).find_map(known).unwrap_or(Nature::Direct)
}

/// Returns the category, its parent, and so on.
fn ancestors(category: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(category), |name| name.rsplit_once('.').map(|(parent, _)| parent))
}

/// Refuses a category outside `user` and `system`; warns of one that the taxonomy lacks.
pub(super) fn check(at: &str, category: &str, notes: &mut Notes) {
    if known(category).is_some() {
        return;
    }
    let hint = did_you_mean(category, TAXONOMY.iter().map(|(name, _)| *name));
    match ancestors(category).skip(1).find(|name| known(name).is_some()) {
        Some(ancestor) => notes.warn(
            code::CATEGORY_UNKNOWN,
            at,
            format!("{category} is not in the Fides taxonomy and is treated as {ancestor}{hint}"),
            "use a category of the taxonomy where one fits",
        ),
        None => notes.refuse(
            code::CATEGORY_ROOT,
            at,
            format!("{category} is neither under user nor under system{hint}"),
            "use a category of the Fides taxonomy, such as user.contact.email",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_category_has_a_known_parent_and_is_listed_once() {
        let mut seen = std::collections::HashSet::new();
        for (name, _) in TAXONOMY {
            assert!(seen.insert(name), "{name} is listed twice");
            if let Some((parent, _)) = name.rsplit_once('.') {
                assert!(known(parent).is_some(), "{name} has no parent");
            }
        }
    }

    #[test]
    fn an_unknown_category_is_treated_as_its_nearest_known_ancestor() {
        assert_eq!(nature("user.contact.pager.number"), Nature::Direct);
        assert_eq!(nature("user.contact.address.country.code"), Nature::Personal);
        assert_eq!(nature("user.shoe_size"), Nature::Direct, "user alone may be anything");
        assert_eq!(nature("system.operations.shard"), Nature::System);
        assert_eq!(nature("pets"), Nature::Direct);
    }
}
