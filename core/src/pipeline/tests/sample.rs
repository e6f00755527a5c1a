//! A small pipeline for tests.

use lethe_crds::profile_pipeline::{Canonical, Compression, FileFormat, Records, TimePrecision, Undeclared, ZeroTime};

use crate::{
    identity::CanonicalVersion,
    pipeline::{
        Audience, DeadLetterRules, DeadLetterTarget, EventRules, FieldRules, Pipeline, ProtectRules, SinkRules,
        SinkTarget, SourceRules, TombstoneKey,
    },
};

/// A pipeline with a subject at `/user_id`, no fields and one sink.
pub(crate) fn pipeline() -> Pipeline {
    Pipeline {
        namespace: "default".to_owned(),
        name: "test".to_owned(),
        source: SourceRules::File {
            path: "-".to_owned(),
            format: FileFormat::Ndjson,
            delimiter: b',',
            columns: Vec::new(),
        },
        event: EventRules {
            id: None,
            time: None,
            time_unit: None,
            zero_time: ZeroTime::Reject,
            max_ahead: 600_000,
            sequence: None,
            space: "customers".to_owned(),
            subject: "/user_id".parse().expect("a pointer"),
            canonical: Canonical::Exact,
            canonical_version: CanonicalVersion::NEWEST,
            aliases: Vec::new(),
            schema: None,
            undeclared: Undeclared::Drop,
            delete_tombstone: false,
            tombstone_key: TombstoneKey::Text,
            delete_when: None,
            deleted_subject: None,
        },
        dedupe: None,
        keys_secret: "keys".to_owned(),
        key_store: "store".to_owned(),
        key_database: "lethe".to_owned(),
        revision: 0,
        region: None,
        fields: Vec::new(),
        consent: None,
        sinks: vec![SinkRules {
            name: "out".to_owned(),
            audience: Audience::Operational,
            records: Records::Append,
            max_age: None,
            time_precision: TimePrecision::Exact,
            fields: Vec::new(),
            undeclared: Undeclared::Drop,
            target: SinkTarget::File { path: "out.ndjson".to_owned(), compression: Compression::None },
        }],
        dead_letter: Some(DeadLetterRules {
            keep_days: 7,
            target: DeadLetterTarget::Embedded { store: "store".to_owned() },
        }),
    }
}

/// A declared field.
pub(crate) fn field(path: &str, protect: ProtectRules) -> FieldRules {
    FieldRules { path: path.parse().expect("a pointer"), category: "user".to_owned(), clean: Vec::new(), protect }
}
