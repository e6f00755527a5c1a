//! What became of an event at a sink: a closed list, so that counts always add up.

/// Writes the list once: what an outcome means is what the reference says of it.
macro_rules! outcomes {
    ($(#[doc = $meaning:literal] $variant:ident = $name:literal,)*) => {
        /// What became of one event at one sink. Every event that is read gets exactly one outcome per sink.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Outcome {
            $(#[doc = $meaning] $variant,)*
        }

        impl Outcome {
            /// Every outcome, in the order they are shown.
            pub const ALL: [Outcome; [$($name),*].len()] = [$(Outcome::$variant),*];

            /// Its name in counters, metrics and status.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Outcome::$variant => $name,)*
                }
            }

            /// What it means, in a sentence.
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
    /// The store holds a newer event of the same subject, or this very event already.
    Stale = "stale",
    /// Its id was seen before.
    Duplicate = "duplicate",
    /// It broke a rule; it went to the dead letter.
    Rejected = "rejected",
    /// Its subject has not agreed.
    Denied = "denied",
    /// It said that the profile is deleted, and the deletion was carried out.
    Deleted = "deleted",
    /// Its subject was erased.
    Fenced = "fenced",
    /// It is older than the sink keeps.
    Expired = "expired",
}
