//! A pipeline with a schema, every cleaning step and every protection.

use lethe_core::{
    identity::CanonicalVersion,
    pipeline::{
        AliasRules, ConsentRules, DeadLetterRules, DeadLetterTarget, EventRules, FieldRules, GeneralizeRules, Pipeline,
        ProtectRules, SinkRules, SinkTarget, SourceRules, TombstoneKey,
    },
};
use lethe_crds::profile_pipeline::{
    Audience, Canonical, Clean, Compression, DatePrecision, FileFormat, Records, TimePrecision, Undeclared, ZeroTime,
};
use serde_json::json;

fn field(path: &str, clean: &[Clean], protect: ProtectRules) -> FieldRules {
    let path = path.parse().expect("a pointer");
    FieldRules { path, category: "user".to_owned(), clean: clean.to_vec(), protect }
}

fn fields() -> Vec<FieldRules> {
    let encrypt = |class: &str| ProtectRules::Encrypt { class: class.to_owned() };
    let buckets = GeneralizeRules::Buckets(vec![-5, 0, 18, 100]);
    let map = GeneralizeRules::Map { values: vec![("a".to_owned(), "b".to_owned())], default: "c".to_owned() };
    vec![
        field("/email", &[Clean::Trim, Clean::Nfc, Clean::Lowercase, Clean::Email], encrypt("profile")),
        field("/phone", &[Clean::Phone], ProtectRules::Mask { keep_first: 1, keep_last: 2 }),
        field("/name", &[Clean::CollapseSpace, Clean::Uppercase], ProtectRules::Redact("[\"name\"]".to_owned())),
        field("/card", &[], ProtectRules::Hash),
        field("/box", &[], encrypt("other")),
        field("/amount", &[Clean::Number], encrypt("profile")),
        field("/seen", &[Clean::Time], ProtectRules::Keep),
        field("/visitor", &[], ProtectRules::Pseudonymize { space: "visitors".to_owned() }),
        field("/note", &[], ProtectRules::RedactDetected(Vec::new())),
        field("/secret", &[], ProtectRules::Drop),
        field("/zip", &[], ProtectRules::Generalize(GeneralizeRules::Prefix(2))),
        field("/age", &[], ProtectRules::Generalize(buckets)),
        field("/born", &[], ProtectRules::Generalize(GeneralizeRules::Date(DatePrecision::Month))),
        field("/ip", &[], ProtectRules::Generalize(GeneralizeRules::Ip { v4: 24, v6: 48 })),
        field("/tier", &[], ProtectRules::Generalize(map)),
        field("/kept", &[], ProtectRules::Keep),
        field("/kept/inner", &[], ProtectRules::Drop),
        field("/kept/list/*/id", &[], ProtectRules::Hash),
        field("/items/*/sku", &[], ProtectRules::Keep),
        field("/tags/*", &[], ProtectRules::Mask { keep_first: 0, keep_last: 1 }),
        field("/", &[], ProtectRules::Keep),
        field("/a~1b/c~0d", &[], ProtectRules::Keep),
    ]
}

fn event(undeclared: Undeclared) -> EventRules {
    let at = |path: &str| path.parse().expect("a pointer");
    let schema = json!({
        "type": "object",
        "required": ["user_id"],
        "properties": {
            "user_id": {"type": ["string", "number"]},
            "email": {"type": ["string", "null"], "minLength": 3, "maxLength": 40},
            "zip": {"type": ["string", "null"], "pattern": "^[0-9A-Z -]*$"},
            "age": {"type": ["number", "string"], "minimum": -10, "exclusiveMaximum": 1000},
            "items": {"type": "array", "maxItems": 9, "items": {"$ref": "#/$defs/item"}},
            "tier": {"enum": ["a", "b", 1, null, true]},
            "tree": {"$ref": "#/$defs/tree"},
            "either": {"anyOf": [{"type": "string", "pattern": "^.a"}, {"type": "array", "uniqueItems": true}]}
        },
        "$defs": {
            "item": {"type": "object", "maxProperties": 4, "additionalProperties": {"multipleOf": 0.5},
                     "properties": {"sku": true, "no": false}},
            "tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "leaf": {"type": "integer"}},
                     "additionalProperties": false}
        }
    });
    EventRules {
        id: Some(at("/event_id")),
        time: Some(at("/timestamp")),
        time_unit: None,
        zero_time: ZeroTime::Reject,
        max_ahead: 600_000,
        sequence: None,
        space: "customers".to_owned(),
        subject: at("/user_id"),
        canonical: Canonical::Exact,
        canonical_version: CanonicalVersion::NEWEST,
        aliases: vec![
            AliasRules { name: "email".to_owned(), path: at("/email"), canonical: Canonical::Email },
            AliasRules { name: "phone".to_owned(), path: at("/kept/phone"), canonical: Canonical::Phone },
        ],
        schema: Some(schema),
        undeclared,
        delete_tombstone: true,
        tombstone_key: TombstoneKey::Json(Some(at("/user_id"))),
        delete_when: Some((at("/op"), "delete".to_owned())),
        deleted_subject: Some(at("/before/id")),
    }
}

/// Returns the pipeline. If no undeclared data passes, it does not read the event's own time, id
/// and consent, so that those of the record count.
pub fn pipeline(undeclared: Undeclared) -> Pipeline {
    let passes = matches!(undeclared, Undeclared::Keep | Undeclared::Detect);
    let mut event = event(undeclared);
    let mut consent = Some(ConsentRules {
        purpose: "marketing".to_owned(),
        path: "/consent".parse().expect("a pointer"),
        granted: Some(vec!["yes".to_owned(), "true".to_owned()]),
    });
    if undeclared != Undeclared::Keep {
        consent = None;
    }
    if !passes {
        event.id = None;
        event.time = None;
    }
    let fields = fields();
    let operational = SinkRules {
        name: "out".to_owned(),
        audience: Audience::Operational,
        records: Records::Append,
        max_age: None,
        time_precision: TimePrecision::Exact,
        fields: (0..fields.len()).collect(),
        undeclared,
        target: SinkTarget::File { path: "out.ndjson".to_owned(), compression: Compression::None },
    };
    let analytics = SinkRules {
        name: "count".to_owned(),
        audience: Audience::Analytics,
        max_age: Some(86_400_000),
        time_precision: TimePrecision::Hour,
        fields: (0..fields.len()).step_by(2).collect(),
        undeclared: Undeclared::Drop,
        ..operational.clone()
    };
    Pipeline {
        namespace: "default".to_owned(),
        name: "fuzz".to_owned(),
        source: SourceRules::File {
            path: "-".to_owned(),
            format: FileFormat::Ndjson,
            delimiter: b',',
            columns: Vec::new(),
        },
        event,
        dedupe: None,
        keys_secret: "keys".to_owned(),
        key_store: "store".to_owned(),
        key_database: "lethe".to_owned(),
        revision: 3,
        region: Some("CH".to_owned()),
        fields,
        consent,
        sinks: vec![operational, analytics],
        dead_letter: Some(DeadLetterRules {
            keep_days: 7,
            target: DeadLetterTarget::Embedded { store: "store".to_owned() },
        }),
    }
}
