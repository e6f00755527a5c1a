//! Writes a key ring as the manifest of a Secret.

use lethe_core::{keys::KeyRing, pipeline::KEYS_SECRET_TYPE};
use lethe_crds::load::{DEFAULT_NAMESPACE, Secret, read_text};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{cli::Failure, open::read_ring};

/// The metadata of a Secret.
pub(super) struct Header<'a> {
    /// Its namespace. `None`: the one that it is applied to.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub secret_type: &'a str,
    /// Its labels.
    pub labels: Vec<(&'a str, &'a str)>,
}

impl<'a> Header<'a> {
    /// Returns the metadata of a new Secret.
    pub(super) fn new(namespace: Option<&'a str>, name: &'a str) -> Self {
        Self { namespace, name, secret_type: KEYS_SECRET_TYPE, labels: Vec::new() }
    }

    /// Returns the metadata of an existing Secret.
    pub(super) fn of(secret: &'a Secret) -> Self {
        Self {
            namespace: Some(secret.namespace.as_str()).filter(|namespace| *namespace != DEFAULT_NAMESPACE),
            name: &secret.name,
            secret_type: &secret.secret_type,
            labels: secret.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        }
    }
}

const WARNING: &str = "\
# The keys of Lethe. With them, all sealed data can be opened and people identified; without them it can
# never be opened. Keep this file out of Git, and a copy of it in a safe place that no erasure has to reach.
";

/// Returns the manifest. It was parsed by our own loader and holds the same keys.
pub(super) fn write(header: &Header<'_>, ring: &KeyRing) -> Result<Zeroizing<String>, Failure> {
    // Allocated once: a text that grows leaves copies of keys in memory.
    let mut text = Zeroizing::new(String::with_capacity(16 * 1024));
    // JSON strings are valid YAML, and a name such as 1e3 must be quoted.
    let quoted = |value: &str| json!(value).to_string();
    text.push_str(WARNING);
    text.push_str("apiVersion: v1\nkind: Secret\n");
    text.extend([format!("type: {}\nmetadata:\n  name: {}\n", quoted(header.secret_type), quoted(header.name))]);
    if let Some(namespace) = header.namespace {
        text.extend([format!("  namespace: {}\n", quoted(namespace))]);
    }
    if !header.labels.is_empty() {
        text.push_str("  labels:\n");
        for (name, value) in &header.labels {
            text.extend([format!("    {}: {}\n", quoted(name), quoted(value))]);
        }
    }
    text.push_str("stringData:\n");
    for (name, value) in &ring.to_secret_data() {
        text.extend([format!("  {name}: \"")]);
        text.extend(value.iter().map(|digit| char::from(*digit)));
        text.push_str("\"\n");
    }
    read_back(header, ring, &text)?;
    Ok(text)
}

fn read_back(header: &Header<'_>, ring: &KeyRing, text: &str) -> Result<(), Failure> {
    let resources = read_text("the new Secret", text)?;
    let secret = resources.secret(header.namespace.unwrap_or(DEFAULT_NAMESPACE), header.name);
    let same = secret.and_then(|secret| read_ring(secret).ok()).is_some_and(|read| read.checks() == ring.checks());
    if same {
        return Ok(());
    }
    Err(Failure::Key("the new Secret can't be read back as it was made; nothing was written".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ring() -> KeyRing {
        let mut next = 0;
        KeyRing::generate(|buffer| {
            next += 1;
            buffer.fill(next);
        })
        .unwrap()
    }

    #[test]
    fn the_manifest_holds_the_ring_under_any_valid_name() {
        for name in ["lethe-keys", "1e3", "null", "0777", "a.b"] {
            let text = write(&Header::new(Some("shop"), name), &ring()).unwrap();
            let resources = read_text("keys.yaml", &text).unwrap();
            let secret = resources.secret("shop", name).unwrap();
            assert_eq!(secret.secret_type, KEYS_SECRET_TYPE);
            assert_eq!(read_ring(secret).unwrap().checks(), ring().checks());
        }
    }

    #[test]
    fn an_invalid_name_is_refused() {
        for name in ["", "Keys", "a b", "a\nstringData: {}", "-a"] {
            assert!(matches!(write(&Header::new(None, name), &ring()), Err(Failure::Load(_))), "{name:?}");
        }
    }

    #[test]
    fn an_existing_secret_keeps_its_type_and_labels() {
        let text = write(&Header::new(None, "lethe-keys"), &ring()).unwrap();
        let text = text
            .replace("lethe.dev/keys", "Opaque")
            .replace("metadata:\n", "metadata:\n  labels: {lethe.dev/allow: \"true\", team: shop}\n");
        let resources = read_text("keys.yaml", &text).unwrap();
        let secret = resources.secret("default", "lethe-keys").unwrap();
        let again = write(&Header::of(secret), &ring()).unwrap();
        assert_eq!(read_text("keys.yaml", &again).unwrap().secret("default", "lethe-keys"), Some(secret));
    }
}
