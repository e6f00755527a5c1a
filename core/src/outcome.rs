//! The outcome of an event at a sink. The list is closed, so that counts always add up.

/// Defines the list. The doc comment of an outcome is also its text in the reference.
macro_rules! outcomes {
    ($(#[doc = $meaning:literal] $variant:ident = $name:literal,)*) => {
        /// The outcome of one event at one sink. Every event that is read gets exactly one outcome
        /// per sink.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Outcome {
            $(#[doc = $meaning] $variant,)*
        }

        impl Outcome {
            /// Every outcome, in the order they are shown.
            pub const ALL: [Outcome; [$($name),*].len()] = [$(Outcome::$variant),*];

            /// Returns its name in counters, metrics and status.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Outcome::$variant => $name,)*
                }
            }

            /// Returns what it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Outcome::$variant => $meaning.trim_ascii(),)*
                }
            }
        }
    };
}

outcomes! {
    /// Written.
    Delivered = "delivered",
    /// Replaced, before it was written, by a newer event of the same subject in the same window.
    Superseded = "superseded",
    /// The store already holds a newer event of the same subject, or this same event.
    Stale = "stale",
    /// Its id was seen before.
    Duplicate = "duplicate",
    /// It broke a rule; it went to the dead letter.
    Rejected = "rejected",
    /// Its subject has not given consent.
    Denied = "denied",
    /// It declares the profile deleted, and the deletion was carried out.
    Deleted = "deleted",
    /// Its subject was erased.
    Fenced = "fenced",
    /// It is older than the sink's maximum age.
    Expired = "expired",
}
