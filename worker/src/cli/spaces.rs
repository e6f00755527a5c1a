//! What the pipelines of a space must agree on: the form of identifiers, and the keys that make
//! tokens of them. If they differ, the same identifier means different people.

use lethe_crds::{
    ProfilePipeline,
    load::{DEFAULT_NAMESPACE, Resources},
    profile_pipeline::{Alias, Canonical},
};

/// The canonical form of identifiers of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// The form.
    pub canonical: Canonical,
    /// The region of phone numbers without a country code. `None` for other forms.
    pub region: Option<String>,
}

/// Two pipelines of a space that disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disagreement {
    /// `namespace/name` of the first.
    pub first: String,
    /// `namespace/name` of the second.
    pub second: String,
}

/// Returns a pipeline's `namespace/name`.
pub(super) fn full_name(pipeline: &ProfilePipeline) -> String {
    format!("{}/{}", namespace(pipeline), pipeline.metadata.name.as_deref().unwrap_or_default())
}

/// Returns a pipeline's namespace.
pub(super) fn namespace(pipeline: &ProfilePipeline) -> &str {
    pipeline.metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
}

/// Returns the pipelines of a space.
pub(super) fn pipelines_of_space<'r>(resources: &'r Resources, space: &str) -> Vec<&'r ProfilePipeline> {
    resources.pipelines().filter(|pipeline| pipeline.spec.event.subject.space == space).collect()
}

/// Returns an alias that a pipeline declares.
pub(super) fn alias<'p>(pipeline: &'p ProfilePipeline, name: &str) -> Option<&'p Alias> {
    pipeline.spec.event.subject.aliases.as_deref().unwrap_or_default().iter().find(|alias| alias.name == name)
}

/// Returns the form of the subject's id in a pipeline, or of an alias. Returns `None` if it doesn't
/// declare the alias.
pub(super) fn form(pipeline: &ProfilePipeline, alias_name: Option<&str>) -> Option<Form> {
    let canonical = match alias_name {
        Some(name) => alias(pipeline, name)?.canonical,
        None => pipeline.spec.event.subject.canonical,
    };
    let canonical = canonical.unwrap_or(Canonical::Exact);
    let region = pipeline.spec.default_region.clone().filter(|_| canonical == Canonical::Phone);
    Some(Form { canonical, region })
}

/// Returns the form that all these pipelines use. Returns `None` if none of them declares the
/// alias.
pub(super) fn common_form(
    pipelines: &[&ProfilePipeline],
    alias_name: Option<&str>,
) -> Result<Option<Form>, Disagreement> {
    let mut declared = pipelines.iter().filter_map(|pipeline| Some((*pipeline, form(pipeline, alias_name)?)));
    let Some((first, wanted)) = declared.next() else { return Ok(None) };
    match declared.find(|(_, form)| *form != wanted) {
        Some((second, _)) => Err(Disagreement { first: full_name(first), second: full_name(second) }),
        None => Ok(Some(wanted)),
    }
}
