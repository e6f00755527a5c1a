//! The view of an audience: what it may see of an event. Sinks with the same view share its
//! document.

use lethe_crds::profile_pipeline::{Audience, Undeclared};

use crate::{
    pipeline::{Pipeline, SinkRules},
    walk::Item,
};

/// What one audience may see of an event.
#[derive(PartialEq, Eq)]
pub(super) struct View {
    pub(super) audience: Audience,
    fields: Vec<bool>,
    undeclared: bool,
}

impl View {
    pub(super) fn new(sink: &SinkRules, pipeline: &Pipeline) -> Self {
        let mut fields = vec![false; pipeline.fields.len()];
        for at in &sink.fields {
            fields[*at] = true;
        }
        let undeclared = matches!(sink.undeclared, Undeclared::Keep | Undeclared::Detect);
        Self { audience: sink.audience, undeclared, fields }
    }

    /// Returns whether an item is shown. For a container: whether it is shown without content.
    #[inline]
    pub(super) fn shows(&self, item: &Item) -> bool {
        if item.field == Item::UNDECLARED { self.undeclared } else { self.fields[usize::from(item.field)] }
    }
}
