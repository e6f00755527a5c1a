//! The range that a number is in.

use crate::{json::Decimal, scalar::Scalar};

/// Ranges that cover every number once: below the first bound, from each bound to the next, and
/// from the last bound on.
#[derive(Clone)]
pub(super) struct Buckets {
    bounds: Box<[i64]>,
    /// There is one more than bounds.
    pub(super) labels: Box<[Box<str>]>,
}

impl Buckets {
    /// Takes bounds in ascending order. `10-19` means everything from 10 to just below 20.
    pub(super) fn new(bounds: &[i64]) -> Self {
        let mut labels = Vec::with_capacity(bounds.len() + 1);
        labels.extend(bounds.first().map(|first| format!("<{first}")));
        labels.extend(bounds.windows(2).map(|pair| {
            // `10`, not `10-10`. Bounds ascend, so nothing overflows.
            let last = pair[1].saturating_sub(1);
            if pair[0] == last { last.to_string() } else { format!("{}-{last}", pair[0]) }
        }));
        labels.extend(bounds.last().map(|last| format!(">={last}")));
        Self { bounds: bounds.into(), labels: labels.into_iter().map(Into::into).collect() }
    }

    /// Returns the label of a number, or of a text that is one in JSON's spelling. The comparison
    /// is exact: a number is below an integer bound exactly if its floor is.
    pub(super) fn label(&self, value: &Scalar<'_>) -> Option<&str> {
        let (Scalar::Number(text) | Scalar::Text(text)) = value else { return None };
        let floor = Decimal::parse(text.trim())?.floor(0);
        let below = self.bounds.partition_point(|bound| i128::from(*bound) <= floor);
        self.labels.get(below).map(AsRef::as_ref)
    }
}
