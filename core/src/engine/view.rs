//! The view of an audience: what it may see of an event. Sinks with the same view share its
//! document.

use lethe_crds::profile_pipeline::{Audience, TimePrecision, Undeclared};

use crate::{
    pipeline::{Pipeline, SinkRules},
    walk::Item,
};

/// What one audience may see of an event.
#[derive(PartialEq, Eq)]
pub(super) struct View {
    pub(super) audience: Audience,
    precision: TimePrecision,
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
        Self { audience: sink.audience, precision: sink.time_precision, undeclared, fields }
    }

    /// Returns an event's time as it is shown, rounded down. Everything that a sink stores of it
    /// derives from this, except the version.
    pub(super) const fn time(&self, millis: i64) -> i64 {
        millis - millis.rem_euclid(self.precision.millis())
    }

    /// Returns whether an item is shown. For a container: whether it is shown without content.
    #[inline]
    pub(super) fn shows(&self, item: &Item) -> bool {
        if item.field == Item::UNDECLARED { self.undeclared } else { self.fields[usize::from(item.field)] }
    }
}
