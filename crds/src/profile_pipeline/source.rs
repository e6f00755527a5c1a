//! Sources: where events come from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::StoreRef;

/// Where events come from: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "[has(self.kafka), has(self.file)].filter(x, x).size() == 1",
    "give exactly one of kafka and file: a pipeline has one source",
))]
pub struct Source {
    /// A Kafka topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaSource>,
    /// Files on the worker's own disk, or its standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
}

/// A Kafka topic, read by a consumer group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaSource {
    /// DataStore of the cluster.
    pub store_ref: StoreRef,
    /// The topic.
    #[schemars(schema_with = "crate::shape::topic")]
    pub topic: String,
    /// Consumer group. Left out: `lethe.<namespace>.<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::group")]
    pub group: Option<String>,
    /// Where a group without offsets starts. Left out: `Earliest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::choice::<StartFrom>")]
    pub start_from: Option<StartFrom>,
}

/// Where a consumer group without offsets starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StartFrom {
    /// At the oldest record.
    Earliest,
    /// After the newest record.
    Latest,
}

/// Files, read in the order of their names. Files ending in `.gz` or `.zst` are decompressed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = (
    "!has(self.csv) || self.format == 'Csv'",
    "csv is read only with format: Csv; remove csv or set the format",
))]
pub struct FileSource {
    /// A path, a glob (`data/*.ndjson.gz`), or `-` for standard input.
    #[schemars(schema_with = "crate::shape::disk_path")]
    pub path: String,
    /// How events are encoded in it.
    #[schemars(schema_with = "crate::shape::choice::<FileFormat>")]
    pub format: FileFormat,
    /// How CSV is read; only with `format: Csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvOptions>,
}

/// How events are encoded in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FileFormat {
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180 with a header line; every row becomes a JSON object.
    Csv,
}

/// How CSV is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CsvOptions {
    /// The separator of cells, one character. Left out: a comma.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::delimiter")]
    pub delimiter: Option<String>,
    /// How columns are read. A column that isn't listed becomes a text whose key is its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["header".into()]))]
    pub columns: Option<Vec<CsvColumn>>,
}

/// How a CSV column is read. An empty cell is an absent key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CsvColumn {
    /// The header's text.
    #[schemars(schema_with = "crate::shape::text")]
    pub header: String,
    /// Key in the event. Left out: the header's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::shape::text")]
    pub key: Option<String>,
    /// Type of a cell. Left out: `Text`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    #[schemars(schema_with = "crate::shape::choice::<CsvCell>")]
    pub cell: Option<CsvCell>,
}

/// The type of a CSV cell. A cell that is not of its type stays a text, so that the schema can
/// reject it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CsvCell {
    /// A string.
    Text,
    /// A JSON number.
    Number,
    /// `true` or `false`, in any case.
    Boolean,
}
