//! The YAML of the CRDs.

#![allow(clippy::unwrap_used)]

use crate::{crds, load::Trap};

/// A plain `no` in an enumeration is false to a reader of YAML 1.1, and only to it.
#[test]
fn readers_of_yaml_1_1_and_1_2_read_the_same() {
    for crd in crds() {
        for line in serde_yaml::to_string(&crd).unwrap().lines() {
            let scalar = line.trim_start_matches([' ', '-']);
            let scalar = scalar.split_once(": ").map_or(scalar, |(_, value)| value);
            assert_eq!(Trap::of(scalar), None, "{}: {line}", crd.spec.names.plural);
        }
    }
}
