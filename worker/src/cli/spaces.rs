//! What the pipelines of a space say together: how its identifiers are written, and which keys make
//! tokens of them. Two that say different things mean different people by the same identifier.

use lethe_crds::{
    ProfilePipeline,
    load::{DEFAULT_NAMESPACE, Resources},
    profile_pipeline::{Alias, Canonical},
};

/// How identifiers of one kind are brought to one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Which form.
    pub canonical: Canonical,
    /// Region of phone numbers without a country code; of no other form.
    pub region: Option<String>,
}

/// What two pipelines of a space disagree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disagreement {
    /// `namespace/name` of the first.
    pub first: String,
    /// `namespace/name` of the second.
    pub second: String,
}

/// A pipeline's `namespace/name`.
pub(super) fn full_name(pipeline: &ProfilePipeline) -> String {
    format!("{}/{}", namespace(pipeline), pipeline.metadata.name.as_deref().unwrap_or_default())
}

/// A pipeline's namespace.
pub(super) fn namespace(pipeline: &ProfilePipeline) -> &str {
    pipeline.metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
}

/// The pipelines whose subjects are of this space.
pub(super) fn of_space<'r>(resources: &'r Resources, space: &str) -> Vec<&'r ProfilePipeline> {
    resources.pipelines().filter(|pipeline| pipeline.spec.event.subject.space == space).collect()
}

/// An alias that a pipeline declares.
pub(super) fn alias<'p>(pipeline: &'p ProfilePipeline, name: &str) -> Option<&'p Alias> {
    pipeline.spec.event.subject.aliases.as_deref().unwrap_or_default().iter().find(|alias| alias.name == name)
}

/// How a pipeline writes the subject's id, or an alias of it; `None` if it declares no such alias.
pub(super) fn form(pipeline: &ProfilePipeline, of_alias: Option<&str>) -> Option<Form> {
    let canonical = match of_alias {
        Some(name) => alias(pipeline, name)?.canonical,
        None => pipeline.spec.event.subject.canonical,
    };
    let canonical = canonical.unwrap_or(Canonical::Exact);
    let region = pipeline.spec.default_region.clone().filter(|_| canonical == Canonical::Phone);
    Some(Form { canonical, region })
}

/// The one form that all these pipelines use; `None` if none of them declares such an alias.
pub(super) fn common_form(
    pipelines: &[&ProfilePipeline],
    of_alias: Option<&str>,
) -> Result<Option<Form>, Disagreement> {
    let mut declared = pipelines.iter().filter_map(|pipeline| Some((*pipeline, form(pipeline, of_alias)?)));
    let Some((first, wanted)) = declared.next() else { return Ok(None) };
    match declared.find(|(_, form)| *form != wanted) {
        Some((second, _)) => Err(Disagreement { first: full_name(first), second: full_name(second) }),
        None => Ok(Some(wanted)),
    }
}
