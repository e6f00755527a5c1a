//! Suggests how to declare what was found.

use lethe_core::detect::DetectKind;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    KINDS, kind_name,
    path_tree::{Node, PathTree},
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

/// A suggested protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Protection {
    /// Encryption.
    Encrypt,
    /// Generalisation of an IP address to its network.
    Network,
    /// Redaction of what is detected in each event.
    RedactDetected,
}

impl Protection {
    /// Returns its name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Protection::Encrypt => "encrypt",
            Protection::Network => "generalize",
            Protection::RedactDetected => "redactDetected",
        }
    }

    /// Returns its declaration as one line of YAML.
    pub const fn to_yaml(self) -> &'static str {
        match self {
            Protection::Encrypt => "{encrypt: {}}",
            Protection::Network => "{generalize: {ip: {v4: 24, v6: 48}}}",
            Protection::RedactDetected => "{redactDetected: {}}",
        }
    }

    /// Returns its declaration as JSON.
    pub fn to_json(self) -> Value {
        match self {
            Protection::Encrypt => json!({"encrypt": {}}),
            Protection::Network => json!({"generalize": {"ip": {"v4": 24, "v6": 48}}}),
            Protection::RedactDetected => json!({"redactDetected": {}}),
        }
    }
}

/// Returns the fields to declare, by path.
pub(super) fn suggestions(tree: &PathTree) -> Vec<Suggestion> {
    let mut all: Vec<Suggestion> = tree
        .all()
        .filter(|(_, node)| node.found.iter().chain(&node.in_key).any(|tally| tally.events > 0))
        .filter_map(|(at, node)| {
            let (path, map) = declarable(tree, at)?;
            Some(if map { map_suggestion(path) } else { text_suggestion(path, node) })
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

fn text_suggestion(path: String, node: &Node) -> Suggestion {
    let whole: u64 = node.found.iter().map(|tally| tally.whole).sum();
    let (main, most) = KINDS
        .into_iter()
        .zip(node.found)
        .max_by_key(|(kind, tally)| (tally.whole, tally.events, std::cmp::Reverse(*kind as u8)))
        .unwrap_or((DetectKind::Email, node.found[0]));
    let why = node
        .found
        .iter()
        .zip(KINDS)
        .filter(|(tally, _)| tally.events > 0)
        .map(|(tally, kind)| format!("{} in {} of {} events", kind_name(kind), tally.events, node.events))
        .collect::<Vec<_>>()
        .join(", ");
    // Less than half of the texts consist of the finding alone: treat the field as free text.
    if whole * 2 < node.texts {
        return Suggestion { path, category: "user.content", clean: &[], protect: Protection::RedactDetected, why };
    }
    let pure = most.whole == whole;
    let (category, clean, protect): (_, &'static [&'static str], _) = match main {
        DetectKind::Email if pure => ("user.contact.email", &["Trim", "Lowercase"], Protection::Encrypt),
        DetectKind::Email => ("user.contact.email", &["Trim"], Protection::Encrypt),
        // Canonical form would reject numbers without a country code.
        DetectKind::Phone => ("user.contact.phone_number", &["Trim"], Protection::Encrypt),
        DetectKind::Card => ("user.financial.credit_card", &["Trim"], Protection::Encrypt),
        DetectKind::Iban => ("user.financial.bank_account", &["Trim"], Protection::Encrypt),
        // Generalisation rejects an event whose value is not an address.
        DetectKind::Ipv4 | DetectKind::Ipv6 if whole == node.texts && only_addresses(node) => {
            ("user.device.ip_address", &["Trim"], Protection::Network)
        }
        DetectKind::Ipv4 | DetectKind::Ipv6 => ("user.device.ip_address", &["Trim"], Protection::Encrypt),
    };
    Suggestion { path, category, clean, protect, why }
}

fn only_addresses(node: &Node) -> bool {
    KINDS.iter().zip(node.found).all(|(kind, tally)| match kind {
        DetectKind::Ipv4 | DetectKind::Ipv6 => true,
        DetectKind::Email | DetectKind::Phone | DetectKind::Card | DetectKind::Iban => tally.events == 0,
    })
}
