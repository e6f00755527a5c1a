//! Steps that bring a value to one form before it is protected.
//!
//! A step changes a value or refuses it; it never guesses. A value that has its form already is
//! borrowed.

mod email;
mod number;
mod space;
mod text;
mod time;

pub(crate) use email::email;

use std::borrow::Cow;

use lethe_crds::profile_pipeline::{Clean, TimeUnit};

use crate::{
    phone::{PhoneRegion, e164},
    scalar::Scalar,
};

/// A value could not be cleaned. The error names the step and shows nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value can't be cleaned by the step {step}")]
pub struct CleanFailed {
    /// The step, as it is written in a manifest: `Email`.
    pub step: &'static str,
}

/// The steps of one field, in order.
#[derive(Clone, Debug)]
pub struct Cleaner {
    steps: Vec<Clean>,
    region: PhoneRegion,
}

impl Cleaner {
    /// Takes steps in the order they are declared. `region` (ISO 3166-1, upper case) is that of
    /// phone numbers without a country code; a region that no numbering plan has counts as none.
    pub fn new(steps: &[Clean], region: Option<&str>) -> Self {
        let region = if steps.contains(&Clean::Phone) { PhoneRegion::new(region) } else { PhoneRegion::default() };
        Self { steps: steps.to_vec(), region }
    }

    /// Applies every step. `null` passes.
    pub fn apply<'a>(&self, value: Scalar<'a>) -> Result<Scalar<'a>, CleanFailed> {
        self.steps.iter().try_fold(value, |value, step| match value {
            Scalar::Null => Ok(Scalar::Null),
            value => self.step(*step, value).ok_or(CleanFailed { step: name(*step) }),
        })
    }

    fn step<'a>(&self, step: Clean, value: Scalar<'a>) -> Option<Scalar<'a>> {
        Some(match (step, value) {
            (Clean::Trim, Scalar::Text(text)) => Scalar::Text(change(text, |text| Some(text::trim(text)))?),
            (Clean::Lowercase, Scalar::Text(text)) => Scalar::Text(change(text, |text| Some(text::lowercase(text)))?),
            (Clean::Uppercase, Scalar::Text(text)) => Scalar::Text(change(text, |text| Some(text::uppercase(text)))?),
            (Clean::Nfc, Scalar::Text(text)) => Scalar::Text(change(text, |text| Some(text::nfc(text)))?),
            (Clean::CollapseSpace, Scalar::Text(text)) => {
                Scalar::Text(change(text, |text| Some(space::collapse(text)))?)
            }
            (Clean::Trim | Clean::Lowercase | Clean::Uppercase | Clean::Nfc | Clean::CollapseSpace, other) => other,
            (Clean::Email, Scalar::Text(text)) => Scalar::Text(change(text, email)?),
            // A phone number without punctuation may be a JSON number.
            (Clean::Phone, Scalar::Text(text) | Scalar::Number(text)) => {
                Scalar::Text(change(text, |text| e164(text, self.region).ok())?)
            }
            (Clean::Time, value) => time::clean(value, None)?,
            (Clean::TimeFromSeconds, value) => time::clean(value, Some(TimeUnit::Seconds))?,
            (Clean::TimeFromMillis, value) => time::clean(value, Some(TimeUnit::Millis))?,
            (Clean::Number, Scalar::Text(text)) => Scalar::Number(change(text, number::clean)?),
            (Clean::Number, number @ Scalar::Number(_)) => number,
            (Clean::Email | Clean::Phone | Clean::Number, _) => return None,
        })
    }
}

/// Applies a function to a text that is borrowed or owned. The result of a borrowed text stays
/// borrowed, and an owned text that does not change is not copied.
fn change<'a>(text: Cow<'a, str>, by: impl for<'t> Fn(&'t str) -> Option<Cow<'t, str>>) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => by(text),
        Cow::Owned(text) => {
            let new = match by(&text)? {
                Cow::Borrowed(same) if same.len() == text.len() => None,
                other => Some(other.into_owned()),
            };
            Some(Cow::Owned(new.unwrap_or(text)))
        }
    }
}

/// Returns a step as it is written in a manifest.
const fn name(step: Clean) -> &'static str {
    match step {
        Clean::Trim => "Trim",
        Clean::Lowercase => "Lowercase",
        Clean::Uppercase => "Uppercase",
        Clean::Nfc => "Nfc",
        Clean::CollapseSpace => "CollapseSpace",
        Clean::Email => "Email",
        Clean::Phone => "Phone",
        Clean::Time => "Time",
        Clean::TimeFromSeconds => "TimeFromSeconds",
        Clean::TimeFromMillis => "TimeFromMillis",
        Clean::Number => "Number",
    }
}

#[cfg(test)]
mod tests;
