//! A personal value that never shows itself.

use std::fmt;

/// A personal or secret value. Debug and Display show `[personal]`. Only [`Sensitive::expose`]
/// returns the value, so that every use can be found.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value itself. Never pass it to a log, a metric, an error or a status.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Returns the value itself, owned.
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
    fn a_personal_value_is_never_shown() {
        let value = Sensitive::new("anna@example.com".to_owned());
        for shown in [format!("{value}"), format!("{value:?}"), format!("{value:#?}"), format!("{:?}", Some(&value))] {
            assert!(!shown.contains("anna"), "{shown}");
        }
        assert_eq!(value.expose(), "anna@example.com");
        assert_eq!(value.into_exposed(), "anna@example.com");
    }
}
