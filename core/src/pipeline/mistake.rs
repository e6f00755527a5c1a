//! The mistakes of a manifest: where, what, and how to fix it. They hold words of the manifest
//! only, so they may be shown anywhere.

use std::fmt;

use serde::Serialize;

/// The severity of a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// The pipeline is refused.
    Error,
    /// The pipeline runs, but perhaps not as its author expects.
    Warning,
}

/// One mistake of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Its severity.
    pub severity: Severity,
    /// A constant of [`code`]: stable, for machines.
    pub code: &'static str,
    /// Where in the manifest: `spec.fields[2].path`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Mistake {
    /// Returns whether it refuses the pipeline.
    pub const fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}] {}: {}", self.code, self.path, self.message)?;
        if let Some(fix) = &self.fix {
            write!(f, "; {fix}")?;
        }
        Ok(())
    }
}

/// The mistakes found so far. Checks continue after a mistake, so that one run shows them all.
#[derive(Default)]
pub(super) struct Notes {
    list: Vec<Mistake>,
}

impl Notes {
    /// Reports a mistake that refuses the pipeline.
    pub(super) fn refuse(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Error, code, path.into(), message.into(), fix.into());
    }

    /// Reports a mistake that does not.
    pub(super) fn warn(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Warning, code, path.into(), message.into(), fix.into());
    }

    fn add(&mut self, severity: Severity, code: &'static str, path: String, message: String, fix: String) {
        self.list.push(Mistake { severity, code, path, message, fix: Some(fix) });
    }

    /// Returns every mistake, those that refuse the pipeline first; each group in the order of the
    /// checks.
    pub(super) fn into_list(mut self) -> Vec<Mistake> {
        self.list.sort_by_key(|mistake| mistake.severity);
        self.list
    }
}

/// Codes of mistakes. They never change their meaning; new ones are added.
pub mod code {
    macro_rules! codes {
        ($(#[doc = $meaning:literal] $name:ident = $text:literal,)*) => {
            $(#[doc = $meaning] pub const $name: &str = $text;)*
            /// Every code.
            pub const ALL: &[&str] = &[$($name),*];
            /// The meaning of each code of [`ALL`], in its order.
            pub const MEANINGS: &[&str] = &[$($meaning.trim_ascii()),*];
        };
    }

    codes! {
        /// The object has no name.
        NAME_MISSING = "NameMissing",
        /// None of the members is set, of which exactly one is needed.
        UNION_EMPTY = "UnionEmpty",
        /// More than one of the members is set, of which exactly one is needed.
        UNION_AMBIGUOUS = "UnionAmbiguous",
        /// A number or a duration is outside its range.
        OUT_OF_RANGE = "OutOfRange",
        /// A list that needs an item has none.
        LIST_EMPTY = "ListEmpty",
        /// Two items of a list have the same name.
        DUPLICATE_NAME = "DuplicateName",
        /// A setting has no effect because of the others (warning).
        SETTING_IDLE = "SettingIdle",

        /// No such DataStore.
        UNKNOWN_STORE = "UnknownStore",
        /// The DataStore is of another kind.
        WRONG_STORE_KIND = "WrongStoreKind",
        /// No such Secret.
        UNKNOWN_SECRET = "UnknownSecret",
        /// The Secret is not of type `lethe.dev/keys`.
        WRONG_SECRET_TYPE = "WrongSecretType",
        /// The Secret cannot be looked up from here (warning).
        SECRET_NOT_SEEN = "SecretNotSeen",
        /// No such ConfigMap, or no such key in it.
        UNKNOWN_CONFIG_MAP = "UnknownConfigMap",

        /// The text is not a path.
        PATH_INVALID = "PathInvalid",
        /// `*` where one value is needed.
        PATH_NEEDS_ONE_VALUE = "PathNeedsOneValue",
        /// By the schema, or because an event is an object, nothing can be at the path.
        PATH_NEVER_MATCHES = "PathNeverMatches",
        /// A number in a path, where only `*` reaches the elements of an array.
        PATH_INDEX = "PathIndex",
        /// Two fields have the same path, or a sink lists a field twice.
        DUPLICATE_PATH = "DuplicatePath",
        /// A field is inside another that is not kept.
        PATH_INSIDE_ANOTHER = "PathInsideAnother",
        /// A name that Lethe itself writes.
        RESERVED_NAME = "ReservedName",

        /// A category outside `user` and `system`.
        CATEGORY_ROOT = "CategoryRoot",
        /// A category that is not in the taxonomy (warning).
        CATEGORY_UNKNOWN = "CategoryUnknown",
        /// Cleaning steps that cannot follow each other.
        CLEAN_IMPOSSIBLE = "CleanImpossible",
        /// A protection that cannot work on the field's value.
        PROTECT_IMPOSSIBLE = "ProtectImpossible",
        /// A key class that Lethe itself uses.
        KEY_CLASS_RESERVED = "KeyClassReserved",
        /// No such region.
        UNKNOWN_REGION = "UnknownRegion",
        /// Phone numbers without a country code will be rejected (warning).
        NO_REGION = "NoRegion",

        /// The event's id is its subject's id.
        ID_IS_SUBJECT = "IdIsSubject",
        /// No event can give consent, or none can be a deletion.
        NEVER_TRUE = "NeverTrue",
        /// Times in whole seconds or days, and no sequence (warning).
        COARSE_TIME = "CoarseTime",

        /// The schema is not JSON.
        SCHEMA_NOT_JSON = "SchemaNotJson",
        /// The schema is larger or deeper than the largest that is taken.
        SCHEMA_TOO_LARGE = "SchemaTooLarge",
        /// The schema declares another draft.
        SCHEMA_DRAFT = "SchemaDraft",
        /// The schema is not a JSON Schema.
        SCHEMA_INVALID = "SchemaInvalid",
        /// The schema refers to something outside itself.
        SCHEMA_REMOTE_REF = "SchemaRemoteRef",
        /// The schema refers to itself without end.
        SCHEMA_ENDLESS = "SchemaEndless",
        /// The schema forbids a declared path (warning).
        SCHEMA_FORBIDS = "SchemaForbids",
        /// `format` is not asserted (warning).
        FORMAT_NOT_ASSERTED = "FormatNotAsserted",
        /// A keyword is unknown to draft 2020-12, or of an older draft (warning).
        SCHEMA_KEYWORD = "SchemaKeyword",

        /// A direct identifier would reach `Analytics` or `Public` in clear.
        CLEAR_IDENTIFIER = "ClearIdentifier",
        /// Free text would reach `Analytics` or `Public` in clear.
        CLEAR_TEXT = "ClearText",
        /// Undeclared data would reach `Analytics` or `Public` in clear.
        UNDECLARED_KEPT = "UndeclaredKept",
        /// Undeclared data reaches `Analytics` or `Public`, searched for personal data (warning).
        UNDECLARED_DETECTED = "UndeclaredDetected",
        /// Detection finds patterns, not persons (warning).
        DETECTION_NO_GUARANTEE = "DetectionNoGuarantee",
        /// `redactDetected` on a field that holds no free text (warning).
        DETECTION_OF_VALUES = "DetectionOfValues",
        /// A hash is the same for every audience (warning).
        HASH_JOINS = "HashJoins",
        /// Two audiences get exact times of the same events (warning).
        TIME_JOINS = "TimeJoins",
        /// A mask or prefix leaves much of an identifier (warning).
        WEAK_PROTECTION = "WeakProtection",
        /// Data that the law protects most reaches `Analytics` or `Public` in clear (warning).
        SENSITIVE_CLEAR = "SensitiveClear",
        /// A kept object passes whatever is added to it (warning).
        OPEN_SUBTREE = "OpenSubtree",

        /// Two writers of one place.
        SAME_PLACE = "SamePlace",
        /// The pipeline would read what it writes.
        OWN_SOURCE = "OwnSource",
        /// A file holds every event, never the latest state.
        LATEST_IN_FILE = "LatestInFile",
        /// A maximum age that the place cannot enforce.
        AGE_NOT_KEPT = "AgeNotKept",
        /// A path that no field declares.
        UNKNOWN_FIELD = "UnknownField",
        /// A declared field is sent to no sink (warning).
        FIELD_UNUSED = "FieldUnused",
        /// A table name that Lethe itself uses.
        RESERVED_TABLE = "ReservedTable",
        /// A table without a column for the subject's reference.
        NO_SUBJECT_COLUMN = "NoSubjectColumn",
        /// A table whose rows cannot be found by subject.
        KEY_NOT_SUBJECT = "KeyNotSubject",
        /// A table of events whose key lacks the event's id.
        KEY_LACKS_EVENT_ID = "KeyLacksEventId",
        /// A key names a column that does not exist or cannot be part of a key.
        KEY_COLUMN = "KeyColumn",
        /// A column's type cannot hold its value.
        COLUMN_TYPE = "ColumnType",

        /// No place for events that cannot be processed.
        DEAD_LETTER_MISSING = "DeadLetterMissing",
    }
}
