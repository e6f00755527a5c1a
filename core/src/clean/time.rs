//! A date or a time in one form.

use std::borrow::Cow;

use lethe_crds::profile_pipeline::TimeUnit;

use crate::{
    scalar::Scalar,
    time::{parse_moment, rfc3339},
};

/// Returns RFC 3339 in UTC, with milliseconds only if there are any. A number without a unit is
/// refused.
pub(super) fn clean(value: Scalar<'_>, unit: Option<TimeUnit>) -> Option<Scalar<'_>> {
    let moment = parse_moment(&value, unit)?;
    let mut out = [0; 24];
    let len = rfc3339(moment.instant.millis, &mut out);
    let written = std::str::from_utf8(&out[..len]).ok()?;
    Some(match value {
        Scalar::Text(same) if same == written => Scalar::Text(same),
        _ => Scalar::Text(Cow::Owned(written.to_owned())),
    })
}
