//! How one declared field is handled.

use std::sync::Arc;

use lethe_crds::profile_pipeline::{Audience, Canonical};

use crate::{
    clean::Cleaner,
    detect::Detector,
    json::push_string,
    pipeline::{Pipeline, ProtectRules},
    protect::Generalizer,
};

/// How one declared field is handled, compiled.
pub(super) struct Action {
    /// Its declared path. Seals and rejections contain it.
    pub(super) path: Arc<str>,
    pub(super) cleaner: Option<Cleaner>,
    pub(super) rule: Rule,
    /// The audiences of the sinks that get it, each once.
    pub(super) audiences: Box<[Audience]>,
}

pub(super) enum Rule {
    Keep,
    /// A JSON string.
    Redact(Box<[u8]>),
    Mask {
        keep_first: usize,
        keep_last: usize,
    },
    Hash {
        domain: Box<str>,
    },
    Encrypt {
        /// Index into the engine's classes.
        class: usize,
    },
    Generalize(Generalizer),
    Pseudonymize {
        space: Box<str>,
        canonical: Canonical,
    },
    RedactDetected(Detector),
}

impl Action {
    /// Compiles the field of an index. A key class that is new is added to `classes`.
    pub(super) fn new(index: usize, pipeline: &Pipeline, classes: &mut Vec<Arc<str>>) -> Self {
        let field = &pipeline.fields[index];
        let cleaner = (!field.clean.is_empty()).then(|| Cleaner::new(&field.clean, pipeline.region.as_deref()));
        let rule = match &field.protect {
            // A dropped field never reaches its action.
            ProtectRules::Keep | ProtectRules::Drop => Rule::Keep,
            ProtectRules::Redact(text) => {
                let mut json = Vec::new();
                push_string(text, &mut json);
                Rule::Redact(json.into())
            }
            ProtectRules::Mask { keep_first, keep_last } => {
                Rule::Mask { keep_first: *keep_first, keep_last: *keep_last }
            }
            ProtectRules::Hash => Rule::Hash { domain: field.category.as_str().into() },
            ProtectRules::Encrypt { class } => Rule::Encrypt { class: class_index(class, classes) },
            ProtectRules::Generalize(rules) => Rule::Generalize(Generalizer::new(rules)),
            ProtectRules::Pseudonymize { space } => Rule::Pseudonymize {
                space: space.as_str().into(),
                // An identifier of the subject's own space has the same canonical form as the
                // subject's id.
                canonical: if *space == pipeline.event.space { pipeline.event.canonical } else { Canonical::Exact },
            },
            ProtectRules::RedactDetected(kinds) => Rule::RedactDetected(Detector::new(kinds)),
        };
        let sinks = pipeline.sinks.iter().filter(|sink| sink.fields.contains(&index));
        let audiences = each_once(sinks.map(|sink| sink.audience));
        Self { path: Arc::from(field.path.to_string()), cleaner, rule, audiences: audiences.into() }
    }
}

/// Returns every audience of a list once, in order.
pub(super) fn each_once(audiences: impl Iterator<Item = Audience>) -> Vec<Audience> {
    let mut audiences: Vec<_> = audiences.collect();
    audiences.sort_unstable();
    audiences.dedup();
    audiences
}

fn class_index(class: &str, classes: &mut Vec<Arc<str>>) -> usize {
    classes.iter().position(|known| **known == *class).unwrap_or_else(|| {
        classes.push(Arc::from(class));
        classes.len() - 1
    })
}

impl Rule {
    /// Returns its name in rejections.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Rule::Keep => "keep",
            Rule::Redact(_) => "redact",
            Rule::Mask { .. } => "mask",
            Rule::Hash { .. } => "hash",
            Rule::Encrypt { .. } => "encrypt",
            Rule::Generalize(_) => "generalize",
            Rule::Pseudonymize { .. } => "pseudonymize",
            Rule::RedactDetected(_) => "redactDetected",
        }
    }
}
