//! Suggests how to declare what was found.

use lethe_core::detect::{DetectKind, TellingName, telling_name};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    KINDS, kind_name,
    path_tree::{Node, PathTree, Step},
    report::declarable,
};

/// A field of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// Its path.
    pub path: String,
    /// Its category in the taxonomy.
    pub category: &'static str,
    /// Its cleaning steps.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub clean: &'static [&'static str],
    /// Its protection.
    pub protect: Protection,
    /// The findings that led to it.
    #[serde(skip)]
    pub why: String,
}

/// A suggested protection. A structured value is never given one that shows a part of it: what its
/// form tells is only a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Protection {
    /// Removal: secrets have no place in a profile.
    Drop,
    /// Encryption.
    Encrypt,
    /// Redaction of what is detected in each event. Only for sentences.
    RedactDetected,
}

impl Protection {
    /// Returns its name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Protection::Drop => "drop",
            Protection::Encrypt => "encrypt",
            Protection::RedactDetected => "redactDetected",
        }
    }

    /// Returns its declaration as one line of YAML.
    pub fn to_yaml(self) -> String {
        format!("{{{}: {{}}}}", self.name())
    }

    /// Returns its declaration as JSON.
    pub fn to_json(self) -> Value {
        json!({self.name(): {}})
    }
}

/// Returns the fields to declare, by path.
pub(super) fn suggestions(tree: &PathTree) -> Vec<Suggestion> {
    let mut all: Vec<Suggestion> = tree
        .all()
        .filter_map(|(at, node)| {
            let told = told_by_name(tree, at).filter(|_| node.texts > 0);
            let found = node.found.iter().chain(&node.in_key).any(|tally| tally.events > 0);
            if !found && told.is_none() {
                return None;
            }
            let (path, map) = declarable(tree, at)?;
            Some(if map { map_suggestion(path) } else { text_suggestion(path, node, told) })
        })
        .collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all.dedup_by(|a, b| a.path == b.path);
    // Parents are sorted before their children.
    let mut kept: Vec<Suggestion> = Vec::new();
    for field in all {
        if !kept.iter().any(|above| field.path.starts_with(&format!("{}/", above.path))) {
            kept.push(field);
        }
    }
    kept
}

/// Keys of a map are data and have no path, so the map is encrypted as a whole.
fn map_suggestion(path: String) -> Suggestion {
    Suggestion {
        path,
        category: "user.content",
        clean: &[],
        protect: Protection::Encrypt,
        why: "a map with personal data in it".to_owned(),
    }
}

fn text_suggestion(path: String, node: &Node, told: Option<TellingName>) -> Suggestion {
    let whole: u64 = node.found.iter().map(|tally| tally.whole).sum();
    let (main, most) = KINDS
        .into_iter()
        .zip(node.found)
        .max_by_key(|(kind, tally)| (tally.whole, tally.events, std::cmp::Reverse(*kind as u8)))
        .unwrap_or((DetectKind::Email, node.found[0]));
    let mut why: Vec<String> = node
        .found
        .iter()
        .zip(KINDS)
        .filter(|(tally, _)| tally.events > 0)
        .map(|(tally, kind)| format!("{} in {} of {} events", kind_name(kind), tally.events, node.events))
        .collect();
    if told.is_some() {
        why.insert(0, "by its name".to_owned());
    }
    let why = why.join(", ");
    let has_form = whole * 2 >= node.texts;
    let (category, clean, protect): (_, &'static [&'static str], _) = match (told, main) {
        (Some(TellingName::Secret), _) => (TellingName::Secret.category(), &[], Protection::Drop),
        // What a name says of a person's papers is surer than a form.
        (Some(told), _) if !has_form || outweighs_form(told) => (told.category(), &[], Protection::Encrypt),
        (None, _) if !has_form && node.prose * 2 >= node.texts => ("user.content", &[], Protection::RedactDetected),
        // Values with a form that is not known, and with findings by chance.
        (None, _) if !has_form => ("user", &[], Protection::Encrypt),
        (_, DetectKind::Email) if most.whole == whole => {
            ("user.contact.email", &["Trim", "Lowercase"], Protection::Encrypt)
        }
        (_, DetectKind::Email) => ("user.contact.email", &["Trim"], Protection::Encrypt),
        // Canonical form would reject numbers without a country code.
        (_, DetectKind::Phone) => ("user.contact.phone_number", &["Trim"], Protection::Encrypt),
        (_, DetectKind::Card) => ("user.financial.credit_card", &["Trim"], Protection::Encrypt),
        (_, DetectKind::Iban) => ("user.financial.bank_account", &["Trim"], Protection::Encrypt),
        (_, DetectKind::Ipv4 | DetectKind::Ipv6) => ("user.device.ip_address", &["Trim"], Protection::Encrypt),
    };
    Suggestion { path, category, clean, protect, why }
}

/// Returns whether the name of a field says more about its values than their form.
const fn outweighs_form(told: TellingName) -> bool {
    match told {
        TellingName::Secret
        | TellingName::NationalId
        | TellingName::Passport
        | TellingName::DrivingLicence
        | TellingName::Birth => true,
        TellingName::BankAccount
        | TellingName::Card
        | TellingName::Email
        | TellingName::IpAddress
        | TellingName::Phone
        | TellingName::Username
        | TellingName::Address
        | TellingName::PersonName => false,
    }
}

/// Words that say nothing without the name around them: `/phone/number`, `/name/first`.
const GENERIC: &[&str] =
    &["first", "last", "full", "given", "family", "middle", "number", "no", "value", "raw", "text"];

/// Returns what the name of a node tells, or that of the member around it if it is an element of
/// an array or has a name without a meaning of its own.
pub(super) fn told_by_name(tree: &PathTree, at: usize) -> Option<TellingName> {
    let node = tree.get(at);
    match &node.step {
        Step::Key(key) => telling_name(key).or_else(|| {
            let above = || told_by_name(tree, node.parent);
            GENERIC.contains(&key.to_lowercase().as_str()).then(above).flatten()
        }),
        Step::Element => told_by_name(tree, node.parent),
        Step::Member | Step::None => None,
    }
}
