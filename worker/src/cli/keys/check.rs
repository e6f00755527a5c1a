//! `keys check`: compares the keys of a Secret with those that the stores were used with.

use std::collections::BTreeMap;

use clap::Args;
use lethe_core::keys::{KeyName, KeyRing};
use lethe_stores::KeyCheck;
use serde::Serialize;
use serde_json::json;

use super::{
    access::{Access, KeyStoreInUse},
    rewrap::count,
};
use crate::cli::{
    Failure, Output, answer,
    table::{number, table},
};

/// Check whether the stores were used with the keys of a Secret.
///
/// Shows each key by its name and check value, never by its value, and how many keys each master
/// wraps. Changes nothing. Exits with code 5 if a worker with this Secret would refuse to start.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Example:
  lethe-worker keys check -f examples/laptop -f lethe-keys.yaml";

/// The state of a key in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    /// The store was used with this key.
    InUse,
    /// The store was not used with this key yet.
    New,
    /// The store was used with it, and the Secret lacks it.
    Missing,
    /// The store was used with another value of this key.
    OtherValue,
    /// It was retired, and the Secret lacks it.
    Retired,
    /// It was retired, but the Secret holds it.
    Returned,
    /// The store was used with its value under another name.
    Reused,
}

impl State {
    const fn words(self) -> &'static str {
        match self {
            State::InUse => "in use",
            State::New => "new",
            State::Missing => "MISSING",
            State::OtherValue => "OTHER VALUE",
            State::Retired => "retired",
            State::Returned => "RETIRED, BUT BACK",
            State::Reused => "VALUE OF ANOTHER",
        }
    }
}

/// A row of the answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    check: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_keys: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    day_keys: Option<u64>,
}

impl Check {
    pub(super) async fn execute(self, output: Output) -> Result<(), Failure> {
        let resources = self.access.files.read()?;
        let keyring = self.access.open(&resources).await?;
        let mut found = Vec::new();
        for store in &keyring.stores {
            found.push((store, lines(&keyring.ring, store).await?));
        }
        match output {
            Output::Text => answer::text(&text(&found))?,
            Output::Json => answer::json(&json!(
                found
                    .iter()
                    .map(|(store, lines)| json!({"store": store.name, "made": store.open.is_some(), "keys": lines}))
                    .collect::<Vec<_>>()
            ))?,
        }
        for open in keyring.stores.iter().filter_map(|store| store.open.as_ref()) {
            open.verify(&keyring.ring)?;
        }
        Ok(())
    }
}

/// Returns every key of the Secret or the store, ordered by name.
fn states(ring: &KeyRing, known: &[KeyCheck]) -> Vec<(String, String, State)> {
    let held: BTreeMap<String, String> = ring.checks().into_iter().collect();
    let mut all: Vec<(String, String, State)> = known
        .iter()
        .map(|known| {
            let state = match (held.get(&known.name), known.retired) {
                (None, true) => State::Retired,
                (Some(_), true) => State::Returned,
                (None, false) => State::Missing,
                (Some(check), false) if *check == known.check => State::InUse,
                (Some(_), false) => State::OtherValue,
            };
            (known.name.clone(), known.check.clone(), state)
        })
        .collect();
    for (name, check) in held {
        if !known.iter().any(|known| known.name == name) {
            let reused = known.iter().any(|known| known.check == check);
            all.push((name, check, if reused { State::Reused } else { State::New }));
        }
    }
    all.sort_by_cached_key(|(name, ..)| (name.parse::<KeyName>().ok(), name.clone()));
    all
}

async fn lines(ring: &KeyRing, store: &KeyStoreInUse) -> Result<Vec<Line>, Failure> {
    let known = store.open.as_ref().map_or(&[][..], |open| &open.known);
    let mut lines = Vec::new();
    for (name, check, state) in states(ring, known) {
        let wraps = match (name.parse(), &store.open) {
            (Ok(KeyName::Master(master)), Some(open)) => Some(count(open, master).await?),
            _ => None,
        };
        let (subject_keys, day_keys) = (wraps.map(|wraps| wraps.subjects), wraps.map(|wraps| wraps.days));
        lines.push(Line { name, check, state, subject_keys, day_keys });
    }
    Ok(lines)
}

fn text(found: &[(&KeyStoreInUse, Vec<Line>)]) -> String {
    let headers = ["KEY", "CHECK", "STATE", "WRAPS KEYS OF PERSONS", "OF DAYS"].map(str::to_owned);
    let mut out = String::new();
    for (store, lines) in found {
        if !out.is_empty() {
            out.push('\n');
        }
        let made = if store.open.is_some() { "" } else { " (not made yet)" };
        let count = |count: Option<u64>| count.map_or(String::new(), number);
        let rows: Vec<Vec<String>> = lines
            .iter()
            .map(|line| {
                let (keys, days) = (count(line.subject_keys), count(line.day_keys));
                vec![line.name.clone(), line.check.clone(), line.state.words().to_owned(), keys, days]
            })
            .collect();
        out.extend([format!("key store {}{made}\n\n{}\n", store.name, table(&headers, &rows, 3))]);
    }
    out
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

    fn known(name: &str, check: &str, retired: bool) -> KeyCheck {
        KeyCheck { name: name.into(), check: check.into(), retired }
    }

    #[test]
    fn every_state_is_reported_and_mismatches_are_those_that_a_worker_refuses() {
        let ring = ring();
        let check = |name: &str| ring.checks().into_iter().find(|(held, _)| held == name).unwrap().1;
        let state = |of: &str, known: &[KeyCheck]| {
            let states = states(&ring, known);
            let refused = ring
                .verify_against(known.iter().map(|known| (known.name.as_str(), known.check.as_str(), known.retired)))
                .is_err();
            let state = states.into_iter().find(|(name, ..)| name == of).unwrap().2;
            (state, refused)
        };
        assert_eq!(state("root", &[]), (State::New, false));
        assert_eq!(state("root", &[known("root", &check("root"), false)]), (State::InUse, false));
        assert_eq!(state("root", &[known("root", "00", false)]), (State::OtherValue, true));
        assert_eq!(state("master-2", &[known("master-2", "00", false)]), (State::Missing, true));
        assert_eq!(state("master-2", &[known("master-2", "00", true)]), (State::Retired, false));
        assert_eq!(state("master-1", &[known("master-1", &check("master-1"), true)]), (State::Returned, true));
        assert_eq!(state("master-1", &[known("master-2", &check("master-1"), true)]), (State::Reused, true));
    }
}
