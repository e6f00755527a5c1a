//! A personal value that shows nothing of itself.

use std::fmt;

/// A personal or secret value. Debug and Display show `[personal]`; the value is reached by
/// [`Sensitive::expose`] alone, so that each use can be found.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Never pass it to a log, a metric, an error or a status.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, owned.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl<T> fmt::Display for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_value_shows_nothing_of_itself() {
        let value = Sensitive::new("anna@example.com".to_owned());
        for shown in [format!("{value}"), format!("{value:?}"), format!("{value:#?}"), format!("{:?}", Some(&value))] {
            assert!(!shown.contains("anna"), "{shown}");
        }
        assert_eq!(value.expose(), "anna@example.com");
        assert_eq!(value.into_exposed(), "anna@example.com");
    }
}
