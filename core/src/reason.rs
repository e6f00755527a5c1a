//! Why an event was rejected: codes without values, safe to show anywhere.

use std::{fmt, sync::Arc};

/// Defines the list. The doc comment of a reason is also its text in the reference.
macro_rules! reasons {
    ($(#[doc = $meaning:literal] $name:ident,)*) => {
        /// Why an event was rejected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
        }

        impl Reason {
            /// Every reason, in the order they are shown.
            pub const ALL: [Reason; [$(stringify!($name)),*].len()] = [$(Reason::$name),*];

            /// Returns its code in counters, the dead letter and status.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Reason::$name => stringify!($name),)*
                }
            }

            /// Returns what it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Reason::$name => $meaning.trim_ascii(),)*
                }
            }
        }
    };
}

reasons! {
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// The bytes are not JSON.
    NotJson,
    /// It is JSON, but not an object.
    NotAnObject,
    /// Larger than the largest event that is taken, as read or as written.
    TooLarge,
    /// Nested deeper than the deepest event that is taken.
    TooDeep,
    /// A key occurs twice in one object.
    DuplicateKey,
    /// A number that no 64-bit float can hold.
    NumberOutOfRange,
    /// A CSV row with fewer or more cells than the header.
    RowLength,
    /// A CSV row that can't be read.
    NotCsv,
    /// The schema does not allow it.
    SchemaViolation,
    /// It holds a field that is not declared, and the pipeline rejects those.
    UndeclaredField,
    /// A field has a name that Lethe itself writes.
    ReservedName,
    /// It has no event id, or one that is neither a string nor an integer.
    IdInvalid,
    /// It has no event time, or one that cannot be read.
    TimeInvalid,
    /// The event's time is too far after the record's own.
    TimeAhead,
    /// The sequence is not an integer.
    SequenceInvalid,
    /// It has no subject, or one that has no canonical form.
    SubjectInvalid,
    /// A value cannot be cleaned as declared.
    CleanFailed,
    /// A value cannot be protected as declared.
    ProtectFailed,
    /// A sink's store cannot take the record (column type, unique index, size); the others have it.
    SinkRefused,
}

/// A rejection: why, by which rule, and where. The path has declared segments only, every other one
/// is shown as `*`; the rule is a word of the schema or the manifest. Neither holds personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The rule that was broken: a schema keyword (`maxLength`), a step (`Email`), a protection;
    /// `shape` if a list, a text or an object is found in place of the value that holds a protected
    /// field.
    pub rule: Option<&'static str>,
    /// Where, as a JSON Pointer of declared segments.
    pub path: Option<Arc<str>>,
}

impl Rejection {
    /// Returns a rejection of the event as a whole.
    pub const fn whole(reason: Reason) -> Self {
        Self { reason, rule: None, path: None }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.code())?;
        if let Some(rule) = self.rule {
            write!(f, " ({rule})")?;
        }
        if let Some(path) = &self.path {
            write!(f, " at {path}")?;
        }
        Ok(())
    }
}
