//! What became of an event at a sink: a closed list, so that counts always add up.

/// What became of one event at one sink. Every event that is read gets exactly one outcome per sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Written.
    Delivered,
    /// Replaced, before it was written, by a newer event of the same subject in the same window.
    Superseded,
    /// The store holds a newer event of the same subject, or this very event already.
    Stale,
    /// Its id was seen before.
    Duplicate,
    /// It broke a rule; it went to the dead letter.
    Rejected,
    /// Its subject has not agreed.
    Denied,
    /// It said that the profile is deleted, and the deletion was carried out.
    Deleted,
    /// Its subject was erased.
    Fenced,
    /// It is older than the sink keeps.
    Expired,
}

impl Outcome {
    /// Every outcome, in the order they are shown.
    pub const ALL: [Outcome; 9] = [
        Outcome::Delivered,
        Outcome::Superseded,
        Outcome::Stale,
        Outcome::Duplicate,
        Outcome::Rejected,
        Outcome::Denied,
        Outcome::Deleted,
        Outcome::Fenced,
        Outcome::Expired,
    ];

    /// Its name in counters, metrics and status.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Superseded => "superseded",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::Rejected => "rejected",
            Outcome::Denied => "denied",
            Outcome::Deleted => "deleted",
            Outcome::Fenced => "fenced",
            Outcome::Expired => "expired",
        }
    }
}
