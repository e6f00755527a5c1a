//! Turns a manifest into a checked pipeline, or into a list of all its mistakes.

use lethe_crds::{
    ProfilePipeline,
    load::DEFAULT_NAMESPACE,
    profile_pipeline::{Dedupe, Undeclared},
};

use super::{
    DedupeRules, Pipeline, dead_letter, detection, event, fields,
    mistake::{Mistake, Notes, code},
    protection::within,
    references, schema, separation, shapes, sinks, source,
    surroundings::Surroundings,
};

/// How many ids dedupe remembers by default.
const DEFAULT_MAX_IDS: i32 = 1_000_000;

/// A pipeline without errors.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// What its author should know in spite of that.
    pub warnings: Vec<Mistake>,
}

impl Pipeline {
    /// Checks every rule of a pipeline. Returns all mistakes, not only the first: errors before
    /// warnings, each group in the order of the checks.
    pub fn check(pipeline: &ProfilePipeline, around: &impl Surroundings) -> Result<Checked, Vec<Mistake>> {
        let mut notes = Notes::default();
        let compiled = compile(pipeline, around, &mut notes);
        let mistakes = notes.into_list();
        match compiled {
            Some(pipeline) if !mistakes.iter().any(Mistake::is_error) => Ok(Checked { pipeline, warnings: mistakes }),
            _ => Err(mistakes),
        }
    }
}

/// Leaves out a part with a mistake and checks the rest without it.
fn compile(object: &ProfilePipeline, around: &dyn Surroundings, notes: &mut Notes) -> Option<Pipeline> {
    let spec = &object.spec;
    let namespace = object.metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let name = object.metadata.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        notes.refuse(code::NAME_MISSING, "metadata.name", "the pipeline has no name", "give it one");
    }
    let source = source::check(&spec.source, namespace, name, around, notes);
    references::keys(&spec.keys, around, notes);
    event::region(spec, notes);
    let region = spec.default_region.as_deref();
    let revision = within("spec.revision", spec.revision.unwrap_or(0), 0, 9, notes);
    let schema = spec.event.schema.as_ref().and_then(|schema| schema::check(schema, around, notes));
    let event = event::check(&spec.event, region, schema.as_ref(), spec.source.file.is_some(), notes);
    let dedupe = spec.dedupe.as_ref().map(|dedupe| check_dedupe(dedupe, spec.event.id.is_some(), notes));
    let consent = spec.consent.as_ref().map(|consent| event::consent(consent, schema.as_ref(), notes));

    let declared = fields::check(&spec.fields, region, notes);
    let view = schema.as_ref().map(schema::View::new);
    let types: Vec<_> = declared.iter().map(|field| shapes::field(field, view.as_ref(), notes)).collect();

    let undeclared = spec.event.undeclared.unwrap_or(Undeclared::Drop);
    let known = sinks::Known { written: &spec.fields, fields: &declared, types: &types, undeclared, around };
    let numbered = sinks::check(&spec.sinks, &known, notes);
    let dead_letter = dead_letter::check(spec.dead_letter.as_ref(), around, notes);
    sinks::check_places(&numbered, dead_letter.as_ref(), source.as_ref(), notes);
    separation::check_times(&declared, event.as_ref(), spec.source.file.is_some(), &numbered, notes);
    let sinks: Vec<_> = numbered.into_iter().map(|(_, sink)| sink).collect();
    separation::check(&declared, &types, event.as_ref(), &sinks, notes);
    separation::undeclared(undeclared, &sinks, notes);
    detection::check(&declared, &types, view.as_ref(), notes);

    Some(Pipeline {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        source: source?,
        event: event?,
        dedupe: match dedupe {
            Some(rules) => Some(rules?),
            None => None,
        },
        keys_secret: spec.keys.secret_ref.name.clone(),
        key_store: spec.keys.store_ref.name.clone(),
        key_database: spec.keys.database.clone().unwrap_or_else(|| super::KEY_DATABASE.to_owned()),
        revision: u8::try_from(revision?).ok()?,
        region: region.map(str::to_owned),
        fields: declared.into_iter().map(|field| field.rules).collect(),
        consent: match consent {
            Some(rules) => Some(rules?),
            None => None,
        },
        sinks,
        dead_letter: Some(dead_letter?),
    })
}

fn check_dedupe(dedupe: &Dedupe, has_id: bool, notes: &mut Notes) -> Option<DedupeRules> {
    if dedupe.window.millis() <= 0 {
        notes.refuse(
            code::OUT_OF_RANGE,
            "spec.dedupe.window",
            "no id would be remembered",
            "write a length such as 24h",
        );
    }
    if !has_id {
        notes.warn(
            code::SETTING_IDLE,
            "spec.dedupe",
            "without event.id an event's id is its position in the source, which never repeats",
            "set event.id, or remove dedupe",
        );
    }
    let max_ids = within("spec.dedupe.maxIds", dedupe.max_ids.unwrap_or(DEFAULT_MAX_IDS), 1, i32::MAX, notes)?;
    Some(DedupeRules { window: dedupe.window.millis(), max_ids })
}
