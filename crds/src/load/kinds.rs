//! The kinds that the loader reads, and the schema of each.

use std::sync::LazyLock;

use k8s_openapi::{api::core::v1, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::core::schema as transforms;
use kube_cel::{CompiledSchema, ValidationError, ValidationErrors, compile_schema, validate_compiled};
use schemars::{JsonSchema, generate::SchemaSettings, transform::AddNullable};
use serde_json::Value as Json;

use super::schema::Schema;
use crate::crds;

/// A kind that the loader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `lethe.dev/v1alpha1` DataStore.
    DataStore,
    /// `lethe.dev/v1alpha1` ProfilePipeline.
    ProfilePipeline,
    /// `v1` Secret.
    Secret,
    /// `v1` ConfigMap.
    ConfigMap,
    /// `v1` Namespace.
    Namespace,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::DataStore, Self::ProfilePipeline, Self::Secret, Self::ConfigMap, Self::Namespace];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataStore => "DataStore",
            Self::ProfilePipeline => "ProfilePipeline",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Namespace => "Namespace",
        }
    }

    /// Returns its `apiVersion`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::DataStore | Self::ProfilePipeline => "lethe.dev/v1alpha1",
            Self::Secret | Self::ConfigMap | Self::Namespace => "v1",
        }
    }

    /// Returns whether its objects are in a namespace.
    pub fn namespaced(self) -> bool {
        self != Self::Namespace
    }

    /// Returns whether messages must not contain its values.
    pub fn quiet(self) -> bool {
        self == Self::Secret
    }

    /// Returns the schema that its objects are checked against.
    pub fn schema(self) -> &'static Schema {
        static SCHEMAS: LazyLock<[Schema; 5]> = LazyLock::new(|| Kind::ALL.map(Kind::compile));
        &SCHEMAS[self as usize]
    }

    fn compile(self) -> Schema {
        let schema = match self {
            // `status` is accepted unchecked, so that the output of `kubectl get -o yaml` can be
            // read.
            Self::DataStore | Self::ProfilePipeline => Schema::compile(self.definition().unwrap_or(&Json::Null))
                .with("apiVersion", Schema::compile(&serde_json::json!({"type": "string"})))
                .with("kind", Schema::compile(&serde_json::json!({"type": "string"})))
                .with("status", Schema::any()),
            Self::Secret => Schema::compile(&kubernetes::<v1::Secret>()),
            Self::ConfigMap => Schema::compile(&kubernetes::<v1::ConfigMap>()),
            Self::Namespace => Schema::compile(&kubernetes::<v1::Namespace>()).with("status", Schema::any()),
        };
        let metadata = Schema::compile(&kubernetes::<ObjectMeta>()).with("managedFields", Schema::any());
        schema.with("metadata", metadata)
    }

    /// Returns the OpenAPI schema of one of Lethe's own kinds. Built once, because the derive
    /// macro's code takes tens of milliseconds.
    pub fn definition(self) -> Option<&'static Json> {
        static DEFINITIONS: LazyLock<[Option<Json>; 5]> = LazyLock::new(|| {
            let crds = crds();
            Kind::ALL.map(|kind| {
                let crd = crds.iter().find(|crd| crd.spec.names.kind == kind.name())?;
                let schema = crd.spec.versions.first()?.schema.as_ref()?.open_api_v3_schema.as_ref()?;
                serde_json::to_value(schema).ok()
            })
        });
        DEFINITIONS[self as usize].as_ref()
    }
}

thread_local! {
    static RULES: [Option<CompiledSchema>; 5] =
        Kind::ALL.map(|kind| kind.definition().map(compile_schema));
}

/// Returns the CEL rules of the kind that an object breaks, with path and message.
pub fn broken_rules(kind: Kind, object: &Json) -> Vec<ValidationError> {
    RULES.with(|rules| match &rules[kind as usize] {
        Some(compiled) => {
            validate_compiled(compiled, object, None).err().map(ValidationErrors::into_vec).unwrap_or_default()
        }
        None => Vec::new(),
    })
}

/// Returns the schema of one of Kubernetes' own types, in the dialect of a CRD.
fn kubernetes<T: JsonSchema>() -> Json {
    SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(AddNullable::default())
        .with_transform(transforms::StructuralSchemaRewriter)
        .with_transform(transforms::OptionalEnum)
        .with_transform(transforms::OptionalIntOrString)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}
