//! Values made less precise.
//!
//! A value that does not fit its rule fails; it never passes unchanged. A table has a default for
//! every other value, so it takes all values.

mod buckets;
mod date;
mod ip;

use std::collections::HashMap;

use foldhash::fast::RandomState;
use lethe_crds::profile_pipeline::DatePrecision;

use self::{buckets::Buckets, ip::Networks};
use super::ProtectFailed;
use crate::{pipeline::GeneralizeRules, scalar::Scalar};

/// A rule of generalisation, prepared for many values.
#[derive(Clone)]
pub struct Generalizer(Rule);

#[derive(Clone)]
enum Rule {
    Prefix(usize),
    Buckets(Buckets),
    Date(DatePrecision),
    Ip(Networks),
    Map { values: HashMap<Box<str>, Box<str>, RandomState>, default: Box<str> },
}

impl Generalizer {
    /// Prepares a rule. If a table has two lines for one value, the first counts.
    pub fn new(rules: &GeneralizeRules) -> Self {
        Self(match rules {
            GeneralizeRules::Prefix(characters) => Rule::Prefix(*characters),
            GeneralizeRules::Buckets(bounds) => Rule::Buckets(Buckets::new(bounds)),
            GeneralizeRules::Date(precision) => Rule::Date(*precision),
            GeneralizeRules::Ip { v4, v6 } => Rule::Ip(Networks::new(*v4, *v6)),
            GeneralizeRules::Map { values, default } => Rule::Map {
                values: values.iter().rev().map(|(from, to)| (from.as_str().into(), to.as_str().into())).collect(),
                default: default.as_str().into(),
            },
        })
    }

    /// Appends the less precise value. After a failure nothing is appended.
    pub fn apply(&self, value: &Scalar<'_>, out: &mut String) -> Result<(), ProtectFailed> {
        match &self.0 {
            Rule::Prefix(characters) => value.as_text().map(|text| out.push_str(prefix(text, *characters))),
            Rule::Buckets(buckets) => buckets.label(value).map(|label| out.push_str(label)),
            Rule::Date(precision) => date::cut(value, *precision, out),
            Rule::Ip(networks) => networks.of(value, out),
            Rule::Map { values, default } => {
                value.as_text().map(|text| out.push_str(values.get(text).unwrap_or(default)))
            }
        }
        .ok_or(ProtectFailed { rule: self.rule() })
    }

    /// Returns the rule's name in a manifest.
    const fn rule(&self) -> &'static str {
        match self.0 {
            Rule::Prefix(_) => "prefix",
            Rule::Buckets(_) => "buckets",
            Rule::Date(_) => "date",
            Rule::Ip(_) => "ip",
            Rule::Map { .. } => "map",
        }
    }
}

/// Returns the first `characters` characters.
fn prefix(text: &str, characters: usize) -> &str {
    if text.len() <= characters {
        return text;
    }
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests;
