//! Fields: how they are cleaned and protected.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One field: where it is, what it is, how it is cleaned and protected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Field {
    /// JSON Pointer, as in `/address/city`; `*` matches every element of an array.
    #[schemars(schema_with = "crate::shape::pointer")]
    pub path: String,
    /// What kind of data it is, in the words of the Fides taxonomy: `user.contact.email`.
    #[schemars(schema_with = "crate::shape::category")]
    pub category: String,
    /// Steps that normalize it, in order. Left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choices::<Clean>")]
    pub clean: Option<Vec<Clean>>,
    /// What happens to it: exactly one.
    pub protect: Protect,
}

/// A step that normalizes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Clean {
    /// Remove white space at both ends.
    Trim,
    /// To lower case, by Unicode.
    Lowercase,
    /// To upper case, by Unicode.
    Uppercase,
    /// To Unicode normal form C.
    Nfc,
    /// Every run of white space becomes one blank.
    CollapseSpace,
    /// A valid e-mail address, trimmed, without characters that nobody sees, its domain in lower
    /// case and without a dot at its end; else the event is rejected.
    Email,
    /// A valid phone number in E.164 (`defaultRegion` for those without a country code); else the
    /// event is rejected.
    Phone,
    /// RFC 3339 in UTC, from RFC 3339 and common forms; else the event is rejected. So is a number,
    /// whose unit is not known.
    Time,
    /// As `Time`; a number counts seconds since 1970.
    TimeFromSeconds,
    /// As `Time`; a number counts milliseconds since 1970.
    TimeFromMillis,
    /// A JSON number from a text that holds one; else the event is rejected.
    Number,
}

/// What happens to a field: exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "[has(self.keep), has(self.drop), has(self.redact), has(self.mask), has(self.hash), has(self.encrypt), has(self.generalize), has(self.pseudonymize), has(self.redactDetected)].filter(x, x).size() == 1",
    "give exactly one of keep, drop, redact, mask, hash, encrypt, generalize, pseudonymize and redactDetected; what passes as it is says keep: {}",
))]
pub struct Protect {
    /// It is written unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// It is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<DropField>,
    /// It becomes a fixed text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<Redact>,
    /// Its characters become stars, except for the first or last few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
    /// It becomes a keyed hash, the same in every sink: values can be compared but not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// It is sealed with a key of its subject; an erasure destroys the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypt: Option<Encrypt>,
    /// It becomes less precise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generalize: Option<Generalize>,
    /// It becomes a pseudonym that differs from audience to audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudonymize: Option<Pseudonymize>,
    /// Personal data found inside it is replaced by the kind of data it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact_detected: Option<RedactDetected>,
}

/// It is written unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keep {}

/// It is dropped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DropField {}

/// It becomes a fixed text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redact {
    /// The text. Left out: `[redacted]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::any_text")]
    pub with: Option<String>,
}

/// Its characters become stars. A value that is no longer than what would stay is masked
/// completely.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "(has(self.keepFirst) && self.keepFirst > 0) || (has(self.keepLast) && self.keepLast > 0)",
    "give keepFirst or keepLast above 0; to hide the whole value use redact",
))]
pub struct Mask {
    /// How many characters stay at the start. Left out: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 256))]
    pub keep_first: Option<i32>,
    /// How many characters stay at the end. Left out: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 256))]
    pub keep_last: Option<i32>,
}

/// It becomes a keyed hash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hash {}

/// It is sealed with a key of its subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Encrypt {
    /// Class of the key: fields of a class share one key per subject. Left out: `profile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::identifier")]
    pub class: Option<String>,
}

/// It becomes less precise: exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "[has(self.prefix), has(self.buckets), has(self.date), has(self.ip), has(self.map)].filter(x, x).size() == 1",
    "give exactly one of prefix, buckets, date, ip and map",
))]
#[x_kube(validation = (
    "!has(self.buckets) || self.buckets.isSorted()",
    "buckets must ascend, as in [10, 20, 50]",
))]
pub struct Generalize {
    /// Only this number of characters at the start stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub prefix: Option<i32>,
    /// A number becomes its range: `[10, 20, 50]` makes `<10`, `10-19`, `20-49`, `>=50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::buckets")]
    pub buckets: Option<Vec<i64>>,
    /// A date becomes its month or its year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<DatePrecision>")]
    pub date: Option<DatePrecision>,
    /// An IP address becomes its network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpPrefix>,
    /// A value becomes another by a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<ValueMap>,
}

/// What stays of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DatePrecision {
    /// `1984-07`.
    Month,
    /// `1984`.
    Year,
}

/// How many bits of an IP address stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IpPrefix {
    /// Of an IPv4 address. Left out: 24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 32))]
    pub v4: Option<i32>,
    /// Of an IPv6 address. Left out: 48.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 128))]
    pub v6: Option<i32>,
}

/// A table of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValueMap {
    /// Rows of the table.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["from".into()]))]
    pub values: Vec<MapValue>,
    /// What every other value becomes.
    #[schemars(schema_with = "crate::shape::any_text")]
    pub default: String,
}

/// A row of a table of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MapValue {
    /// The value as text.
    #[schemars(schema_with = "crate::shape::any_text")]
    pub from: String,
    /// What it becomes.
    #[schemars(schema_with = "crate::shape::any_text")]
    pub to: String,
}

/// It becomes a pseudonym that differs from audience to audience.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pseudonymize {
    /// The set of identifiers it belongs to; a subject's id in its own space becomes its reference.
    /// Left out: the field's category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::identifier")]
    pub space: Option<String>,
}

/// Personal data found inside it is replaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedactDetected {
    /// Kinds of data looked for. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choices::<DetectKind>")]
    pub kinds: Option<Vec<DetectKind>>,
}

/// Kinds of personal data that can be found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DetectKind {
    /// An e-mail address.
    Email,
    /// A phone number with a country code, or in a common national form.
    Phone,
    /// A payment card number (Luhn check).
    Card,
    /// An IBAN (mod 97 check).
    Iban,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
}
