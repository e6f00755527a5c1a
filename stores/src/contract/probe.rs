//! What a server reports about itself.

/// The answer of a server that is reachable and accepts the login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Version of the server, e.g. `5.0.9`; `None` if its protocol reports none.
    pub version: Option<String>,
    /// Capabilities as `name=value`, e.g. `brokers=3`.
    pub capabilities: Vec<String>,
}

impl Probe {
    /// Returns the value of the capability `name`, or `None` if the server did not report it.
    pub fn capability(&self, name: &str) -> Option<&str> {
        self.capabilities.iter().find_map(|capability| capability.strip_prefix(name)?.strip_prefix('='))
    }
}
