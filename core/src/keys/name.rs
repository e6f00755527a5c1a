//! The names of the keys in a keys Secret.

use std::{fmt, str::FromStr};

use lethe_crds::profile_pipeline::Audience;

/// The name of a key in a keys Secret: `root`, `audience-<name>` or `master-<n>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyName {
    /// Derives tokens. There is one, and it is never rotated.
    Root,
    /// Derives the references of an audience. Each audience has one, and it is never rotated:
    /// another key would need another sink.
    Audience(Audience),
    /// Wraps subjects' keys. The highest number is the current one; they begin at 1.
    Master(u32),
}

/// The name is not one that a key can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no key of Lethe has this name: they are root, audience-identity, audience-operational, audience-analytics, \
     audience-public, and master-1, master-2 and so on"
)]
pub struct NotAKeyName;

/// Every audience, in the order of its index.
pub(super) const AUDIENCES: [Audience; 4] =
    [Audience::Identity, Audience::Operational, Audience::Analytics, Audience::Public];

/// Returns an audience's index in an array of all of them.
pub(crate) const fn index(audience: Audience) -> usize {
    match audience {
        Audience::Identity => 0,
        Audience::Operational => 1,
        Audience::Analytics => 2,
        Audience::Public => 3,
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyName::Root => f.write_str("root"),
            KeyName::Audience(Audience::Identity) => f.write_str("audience-identity"),
            KeyName::Audience(Audience::Operational) => f.write_str("audience-operational"),
            KeyName::Audience(Audience::Analytics) => f.write_str("audience-analytics"),
            KeyName::Audience(Audience::Public) => f.write_str("audience-public"),
            KeyName::Master(number) => write!(f, "master-{number}"),
        }
    }
}

impl FromStr for KeyName {
    type Err = NotAKeyName;

    fn from_str(text: &str) -> Result<Self, NotAKeyName> {
        match text {
            "root" => Ok(KeyName::Root),
            "audience-identity" => Ok(KeyName::Audience(Audience::Identity)),
            "audience-operational" => Ok(KeyName::Audience(Audience::Operational)),
            "audience-analytics" => Ok(KeyName::Audience(Audience::Analytics)),
            "audience-public" => Ok(KeyName::Audience(Audience::Public)),
            other => {
                let number = other.strip_prefix("master-").ok_or(NotAKeyName)?;
                // A key has one name: neither `master-01` nor `master-+1` is accepted.
                if !number.starts_with(|c: char| matches!(c, '1'..='9')) {
                    return Err(NotAKeyName);
                }
                number.parse().map(KeyName::Master).map_err(|_| NotAKeyName)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_displayed_name_parses_to_itself() {
        let names = AUDIENCES.map(KeyName::Audience).into_iter();
        for name in names.chain([KeyName::Root, KeyName::Master(1), KeyName::Master(u32::MAX)]) {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    #[test]
    fn every_audience_has_its_own_index() {
        for (place, audience) in AUDIENCES.into_iter().enumerate() {
            assert_eq!(index(audience), place);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "Root",
            "audience-",
            "audience-Public",
            "master-",
            "master-0",
            "master-01",
            "master-+1",
            "master--1",
            "master-1 ",
            "master-4294967296",
            "sign-1",
        ] {
            assert_eq!(name.parse::<KeyName>(), Err(NotAKeyName), "{name}");
        }
    }
}
