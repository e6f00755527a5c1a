//! What a server reports of itself.

/// The answer of a server that can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// The version that it reports (`5.0.9`); `None` where its protocol reports none.
    pub version: Option<String>,
    /// What it offers, as `name=value`: `brokers=3`.
    pub capabilities: Vec<String>,
}

impl Probe {
    /// Returns the value of a capability, if the server offers it.
    pub fn capability(&self, name: &str) -> Option<&str> {
        self.capabilities.iter().find_map(|capability| capability.strip_prefix(name)?.strip_prefix('='))
    }
}
