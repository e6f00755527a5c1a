//! The range a number lies in.

use crate::{json::Decimal, scalar::Scalar};

/// Ranges that cover every number once: below the first bound, from each bound to the next, and from
/// the last bound on.
#[derive(Clone)]
pub(super) struct Buckets {
    bounds: Box<[i64]>,
    /// One more than bounds.
    pub(super) labels: Box<[Box<str>]>,
}

impl Buckets {
    /// From bounds in ascending order. `10-19` stands for everything from 10 to just below 20.
    pub(super) fn new(bounds: &[i64]) -> Self {
        let mut labels = Vec::with_capacity(bounds.len() + 1);
        labels.extend(bounds.first().map(|first| format!("<{first}")));
        labels.extend(bounds.windows(2).map(|pair| {
            // `10-10` says the same as `10` at greater length; bounds ascend, so nothing overflows.
            let last = pair[1].saturating_sub(1);
            if pair[0] == last { last.to_string() } else { format!("{}-{last}", pair[0]) }
        }));
        labels.extend(bounds.last().map(|last| format!(">={last}")));
        Self { bounds: bounds.into(), labels: labels.into_iter().map(Into::into).collect() }
    }

    /// The label of a number, or of a text that is one in JSON's form. Compared exactly: for whole
    /// bounds, a number lies below one when its floor does.
    pub(super) fn label(&self, value: &Scalar<'_>) -> Option<&str> {
        let (Scalar::Number(text) | Scalar::Text(text)) = value else { return None };
        let floor = Decimal::parse(text.trim())?.floor(0);
        let below = self.bounds.partition_point(|bound| i128::from(*bound) <= floor);
        self.labels.get(below).map(AsRef::as_ref)
    }
}
