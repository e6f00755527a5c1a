//! The CustomResourceDefinitions as they are installed: the output of the derive macro, tidied.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::{DataStore, ProfilePipeline};

/// Most items of a list in Kubernetes' own types, which declare no bound.
const LIST: i64 = 256;
/// Most characters of a text in Kubernetes' own types, which declare no bound.
const TEXT: i64 = 32_768;

/// Returns the CustomResourceDefinition of every kind, ordered by name. Its YAML is
/// `crds/<plural>.yaml`, written by `cargo run -p xtask -- crds`.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [DataStore::crd(), ProfilePipeline::crd()].into_iter().map(tidied).collect()
}

fn tidied(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            tidy(schema);
        }
    }
    crd
}

/// Removes what the derive macro adds and an API server does not need, and bounds Kubernetes' own
/// types.
///
/// - `nullable` is removed: an absent member is left out, never null. The API server drops nulls.
/// - `additionalProperties: false` is removed: the API server refuses undeclared fields anyway.
/// - Line breaks inside a paragraph of a description are removed: `kubectl explain` wraps itself.
/// - Lists, maps and texts without a bound get one, so that the size of an object is bounded.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        *description = unwrapped(description);
    }
    // An object type without properties accepts none; `false` here is not a structural schema.
    if schema.additional_properties == Some(JSONSchemaPropsOrBool::Bool(false)) {
        schema.additional_properties = None;
    }
    match schema.type_.as_deref() {
        Some("string") if schema.enum_.is_none() && schema.format.is_none() => {
            schema.max_length.get_or_insert(TEXT);
        }
        Some("array") => {
            schema.max_items.get_or_insert(LIST);
            // `kubectl explain` shows no description of an item that is a scalar.
            if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
                schema.title = items.title.take();
            }
        }
        Some("object") if schema.additional_properties.is_some() => {
            schema.max_properties.get_or_insert(LIST);
        }
        _ => {}
    }
    if let Some(meanings) = schema.title.take() {
        let description = schema.description.get_or_insert_default();
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str(&meanings);
    }
    for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        tidy(property);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => tidy(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(tidy),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}

/// Joins the lines of each paragraph. Blank lines and list items stay on lines of their own.
fn unwrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim) {
        let own_line = line.is_empty() || line.starts_with("- ");
        if !out.is_empty() {
            out.push(if own_line || out.ends_with('\n') { '\n' } else { ' ' });
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(schema: &JSONSchemaProps, path: &str, see: &mut impl FnMut(&str, &JSONSchemaProps)) {
        see(path, schema);
        for (name, property) in schema.properties.iter().flatten() {
            each(property, &format!("{path}.{name}"), see);
        }
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
            each(items, &format!("{path}[]"), see);
        }
        if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
            each(values, &format!("{path}{{}}"), see);
        }
    }

    fn everywhere(mut see: impl FnMut(&str, &JSONSchemaProps)) {
        for crd in crds() {
            for version in &crd.spec.versions {
                let schema = version.schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref());
                each(schema.expect("every version has a schema"), &crd.spec.names.kind, &mut see);
            }
        }
    }

    #[test]
    fn every_field_is_described() {
        everywhere(|path, schema| {
            if !path.ends_with(['}', ']']) {
                assert!(schema.description.as_ref().is_some_and(|d| !d.is_empty()), "{path} has no description");
            }
        });
    }

    #[test]
    fn every_list_map_and_text_is_bounded() {
        everywhere(|path, schema| match schema.type_.as_deref() {
            Some("array") => assert!(schema.max_items.is_some(), "{path} has no maxItems"),
            Some("string") => assert!(
                schema.max_length.is_some() || schema.enum_.is_some() || schema.format.is_some(),
                "{path} has no maxLength"
            ),
            Some("object") if schema.additional_properties.is_some() => {
                assert!(schema.max_properties.is_some(), "{path} has no maxProperties");
            }
            _ => {}
        });
    }

    #[test]
    fn the_schemas_are_structural_and_plain() {
        everywhere(|path, schema| {
            let typed = schema.type_.is_some() || schema.x_kubernetes_int_or_string == Some(true);
            assert!(typed, "{path} has no type");
            assert_ne!(schema.type_.as_deref(), Some("number"), "{path} is a float");
            assert!(schema.nullable.is_none(), "{path} is nullable");
            assert!(schema.default.is_none(), "{path} has a server-side default");
            assert!(
                schema.one_of.is_none() && schema.any_of.is_none() || schema.x_kubernetes_int_or_string == Some(true),
                "{path} has variants"
            );
            assert!(!schema.format.as_deref().is_some_and(|f| f.starts_with('u')), "{path} is unsigned");
        });
    }

    #[test]
    fn each_paragraph_of_a_description_is_one_line() {
        assert_eq!(unwrapped("a\nb\n\nc\n- d\n- e"), "a b\n\nc\n- d\n- e");
    }
}
