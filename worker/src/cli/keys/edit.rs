//! Adds one key to the text of a manifest, or removes one, and leaves the rest unchanged: comments,
//! labels, other documents. The result is parsed and compared, and discarded if it isn't exactly as
//! intended.

use base64::{Engine, engine::general_purpose::STANDARD};
use lethe_core::keys::KeyRing;
use lethe_crds::load::{Resources, Secret, read_text};
use zeroize::Zeroizing;

use crate::open::read_ring;

/// Returns the text with the Secret's ring changed to `ring`, which has one key more or one less.
/// Returns `None` if no line of the text can be changed to that effect (JSON, flow style, documents
/// that repeat the Secret differently).
pub(super) fn edited(text: &str, secret: &Secret, ring: &KeyRing) -> Option<Zeroizing<String>> {
    let before = read_text("keys.yaml", text).ok()?;
    let data = ring.to_secret_data();
    let added = data.iter().find(|(name, _)| !secret.data.contains_key(*name));
    let removed = secret.data.keys().find(|name| !data.contains_key(*name));
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let candidates: Box<dyn Iterator<Item = Zeroizing<String>>> = match (added, removed) {
        (Some((name, value)), None) => {
            let value = std::str::from_utf8(value).ok()?;
            Box::new((0..lines.len()).filter_map(|at| with_line(&lines, at, name, value)))
        }
        (None, Some(name)) => Box::new((0..lines.len()).filter_map(|at| without_line(&lines, at, name))),
        _ => return None,
    };
    let mut right = candidates.filter(|text| is_right(text, &before, secret, ring));
    right.next()
}

/// Returns the text with a key added after line `at`, if that line starts the data of a Secret.
fn with_line(lines: &[&str], at: usize, name: &str, value: &str) -> Option<Zeroizing<String>> {
    let line = lines[at].trim();
    let value = match line.split_once('#').map_or(line, |(before, _)| before.trim_end()) {
        "stringData:" => Zeroizing::new(value.to_owned()),
        "data:" => Zeroizing::new(STANDARD.encode(value)),
        _ => return None,
    };
    let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    let indent = &next[..next.len() - next.trim_start().len()];
    let mut out = Zeroizing::new(String::with_capacity(lines.iter().map(|line| line.len()).sum::<usize>() + 256));
    for (number, line) in lines.iter().enumerate() {
        out.push_str(line);
        if number == at {
            for part in [indent, name, ": \"", &value, "\"\n"] {
                out.push_str(part);
            }
        }
    }
    Some(out)
}

/// Returns the text without line `at`, if that line holds the key.
fn without_line(lines: &[&str], at: usize, name: &str) -> Option<Zeroizing<String>> {
    let key = lines[at].trim_start().split_once(':')?.0.trim_end();
    if key.trim_matches(['"', '\'']) != name {
        return None;
    }
    let mut out = Zeroizing::new(String::with_capacity(lines.iter().map(|line| line.len()).sum()));
    for (number, line) in lines.iter().enumerate() {
        if number != at {
            out.push_str(line);
        }
    }
    Some(out)
}

/// Returns whether the text holds the ring in the Secret, and all other Secrets unchanged.
fn is_right(text: &str, before: &Resources, secret: &Secret, ring: &KeyRing) -> bool {
    let Ok(after) = read_text("keys.yaml", text) else { return false };
    let mut pairs = 0;
    let same = before.secrets().all(|old| {
        pairs += 1;
        let Some(new) = after.secret(&old.namespace, &old.name) else { return false };
        if (&old.namespace, &old.name) != (&secret.namespace, &secret.name) {
            return new == old;
        }
        let ring_is_there = read_ring(new).is_ok_and(|read| read.checks() == ring.checks());
        ring_is_there && Secret { data: old.data.clone(), ..new.clone() } == *old && old == secret
    });
    same && after.secrets().count() == pairs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TEXT: &str = "\
# mine
apiVersion: v1
kind: Secret
type: lethe.dev/keys
metadata:
  name: keys
  annotations: {team: shop}
stringData: # hex
    # the root
    root: \"0101010101010101010101010101010101010101010101010101010101010101\"
    master-1: '0202020202020202020202020202020202020202020202020202020202020202'
---
apiVersion: v1
kind: Secret
metadata: {name: other}
stringData:
  master-1: \"not mine\"
";

    fn read(text: &str) -> (Secret, KeyRing) {
        let resources = read_text("keys.yaml", text).unwrap();
        let secret = resources.secret("default", "keys").unwrap().clone();
        let ring = read_ring(&secret).unwrap();
        (secret, ring)
    }

    #[test]
    fn a_key_is_added_and_removed_and_nothing_else_changes() {
        let (secret, ring) = read(TEXT);
        let both = ring.with_new_master(|buffer| buffer.fill(3)).unwrap();
        let added = edited(TEXT, &secret, &both).unwrap();
        let line = format!("    master-2: \"{}\"\n", "03".repeat(32));
        assert_eq!(added.replace(&line, ""), TEXT);
        assert!(added.contains(&line));
        let (secret, ring) = read(&added);
        let without = edited(&added, &secret, &ring.without_master(1).unwrap()).unwrap();
        assert_eq!(read(&without).1.master_numbers().collect::<Vec<_>>(), [2]);
        assert!(without.contains("master-1: \"not mine\""));
        assert_eq!(without.lines().count(), TEXT.lines().count());
    }

    #[test]
    fn data_in_base64_stays_base64() {
        let encoded = |byte: &str| STANDARD.encode(byte.repeat(32));
        let text = format!(
            "apiVersion: v1\nkind: Secret\ntype: lethe.dev/keys\nmetadata:\n  name: keys\ndata:\n  root: {}\n  master-1: {}\n",
            encoded("01"),
            encoded("02")
        );
        let (secret, ring) = read(&text);
        let both = ring.with_new_master(|buffer| buffer.fill(3)).unwrap();
        let added = edited(&text, &secret, &both).unwrap();
        assert!(added.contains(&encoded("03")));
        assert_eq!(read(&added).1.checks(), both.checks());
    }

    #[test]
    fn a_text_that_no_line_can_change_is_not_edited() {
        let text = format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {{\"name\": \"keys\"}}, \
             \"stringData\": {{\"root\": \"{}\", \"master-1\": \"{}\"}}}}",
            "01".repeat(32),
            "02".repeat(32)
        );
        let (secret, ring) = read(&text);
        assert!(edited(&text, &secret, &ring.with_new_master(|buffer| buffer.fill(3)).unwrap()).is_none());
    }
}
