//! `lint`: reports all mistakes in manifests, before anything runs.

use clap::Args;
use lethe_core::{
    keys::KeyRing,
    pipeline::{Checked, KEYS_SECRET_TYPE, Mistake, Severity},
};
use lethe_crds::{
    ProfilePipeline,
    load::{LoadError, Place, Resources, Secret},
};
use serde::Serialize;
use serde_json::json;

use super::{
    Failure, Output, answer, block_on,
    files::Files,
    spaces::{common_form, full_name, namespace, pipelines_of_space},
};
use crate::open::{OpenError, Probed, check, may_read, probe, read_ring};

/// Report all mistakes in manifests.
///
/// Checks every pipeline by every rule, without opening a store. Also checks the keys Secret, if it
/// is among the manifests. With --live, checks that every store answers and is as declared; nothing
/// is created. Exits with code 3 if there are errors.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Lint {
    #[command(flatten)]
    files: Files,

    /// Treat warnings as errors.
    #[arg(long)]
    strict: bool,

    /// Check every store, too: logins, certificates, permissions, topics, tables, collections.
    /// Nothing is created or written.
    #[arg(long)]
    live: bool,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker lint -f examples/laptop -f lethe-keys.yaml
  helm template . | lethe-worker lint --strict -f -
  lethe-worker lint -f manifests/ --output json | jq -r '.[].message'";

/// A mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    severity: Severity,
    /// A stable code for machines.
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The line of the mistake if it is known, or else of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    path: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Lint {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        let (mut findings, checked) = match self.files.read() {
            Ok(resources) => {
                let mut found = findings(&resources);
                if self.live {
                    found.extend(block_on(store_findings(&resources))?);
                }
                (found, counted(&resources))
            }
            Err(Failure::Load(error)) => (load_findings(&error), "nothing was checked further".to_owned()),
            Err(failure) => return Err(failure),
        };
        if self.strict {
            for finding in &mut findings {
                finding.severity = Severity::Error;
            }
        }
        match output {
            Output::Text => answer::text(&text(&findings, &checked))?,
            Output::Json => answer::json(&json!(findings))?,
        }
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(Failure::AlreadyReported);
        }
        Ok(())
    }
}

/// Returns all mistakes in manifests that were parsed.
fn findings(resources: &Resources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for pipeline in resources.pipelines() {
        let mistakes = match check(resources, pipeline) {
            Ok(Checked { pipeline: rules, warnings }) => {
                let audiences = rules.sinks.iter().map(|sink| sink.audience);
                let secret = resources.secret(&rules.namespace, &rules.keys_secret).filter(|secret| may_read(secret));
                if let Some(ring) = secret.and_then(|secret| read_ring(secret).ok())
                    && let Err(error) = ring.require(audiences)
                {
                    findings.push(pipeline_finding(
                        resources,
                        pipeline,
                        "KeyMissing",
                        "spec.sinks",
                        &error.to_string(),
                    ));
                }
                warnings
            }
            Err(OpenError::Mistakes(mistakes)) => mistakes,
            Err(other) => {
                findings.push(pipeline_finding(resources, pipeline, "NotChecked", "spec", &other.to_string()));
                continue;
            }
        };
        findings.extend(mistakes.into_iter().map(|mistake| mistake_finding(resources, pipeline, mistake)));
    }
    findings.extend(resources.secrets().filter_map(|secret| secret_finding(resources, secret)));
    findings.extend(space_findings(resources));
    findings.sort_by(|a, b| (&a.file, a.line, a.severity).cmp(&(&b.file, b.line, b.severity)));
    findings
}

/// Returns the failed checks of stores, for pipelines without mistakes.
async fn store_findings(resources: &Resources) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for pipeline in resources.pipelines() {
        match probe(resources, Some(&full_name(pipeline)), true).await {
            Ok(Probed { errors, warnings }) => {
                let found =
                    |error: OpenError| pipeline_finding(resources, pipeline, "Store", "spec", &error.to_string());
                findings.extend(errors.into_iter().map(found));
                findings.extend(warnings.into_iter().map(|(message, fix)| Finding {
                    severity: Severity::Warning,
                    fix: Some(fix.to_owned()),
                    ..pipeline_finding(resources, pipeline, "RecordSize", "spec.deadLetter", &message)
                }));
            }
            // Reported already.
            Err(OpenError::Mistakes(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(findings)
}

fn mistake_finding(resources: &Resources, pipeline: &ProfilePipeline, mistake: Mistake) -> Finding {
    let found = pipeline_finding(resources, pipeline, mistake.code, &mistake.path, &mistake.message);
    Finding { severity: mistake.severity, fix: mistake.fix, ..found }
}

fn pipeline_finding(
    resources: &Resources,
    pipeline: &ProfilePipeline,
    code: &str,
    path: &str,
    message: &str,
) -> Finding {
    let place = resources.pipeline_place(namespace(pipeline), pipeline.metadata.name.as_deref().unwrap_or_default());
    Finding { object: Some(format!("ProfilePipeline {}", full_name(pipeline))), ..error(place, code, path, message) }
}

fn error(place: Option<&Place>, code: &str, path: &str, message: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        code: code.to_owned(),
        file: place.map(|place| place.file.clone()),
        line: place.and_then(|place| place.line),
        object: None,
        path: path.to_owned(),
        message: message.to_owned(),
        fix: None,
    }
}

fn load_findings(load: &LoadError) -> Vec<Finding> {
    let findings = load.mistakes.iter().map(|mistake| Finding {
        fix: Some(mistake.fix.clone()).filter(|fix| !fix.is_empty()),
        ..error(Some(&mistake.place), "Manifest", &mistake.path, &mistake.what)
    });
    findings.collect()
}

/// Returns the mistake in the keys of a keys Secret.
fn secret_finding(resources: &Resources, secret: &Secret) -> Option<Finding> {
    let named = resources
        .pipelines()
        .any(|pipeline| namespace(pipeline) == secret.namespace && pipeline.spec.keys.secret_ref.name == secret.name);
    if secret.secret_type != KEYS_SECRET_TYPE && !(named && may_read(secret)) {
        return None;
    }
    let wrong = read_ring(secret).err()?;
    let place = resources.secret_place(&secret.namespace, &secret.name);
    let object = Some(format!("Secret {}/{}", secret.namespace, secret.name));
    Some(Finding { object, ..error(place, "KeysInvalid", "data", &wrong.to_string()) })
}

/// Returns the contradictions between pipelines of the same space.
fn space_findings(resources: &Resources) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for pipeline in resources.pipelines() {
        // Only pipelines of the same namespace are compared, since namespaces may be separate
        // erasure domains.
        let (here, space) = (namespace(pipeline), pipeline.spec.event.subject.space.as_str());
        if seen.contains(&(here, space)) {
            continue;
        }
        seen.push((here, space));
        let mut all = pipelines_of_space(resources, space);
        all.retain(|other| namespace(other) == here);
        let mut aliases: Vec<Option<&str>> = vec![None];
        for alias in all.iter().flat_map(|other| other.spec.event.subject.aliases.as_deref().unwrap_or_default()) {
            if !aliases.contains(&Some(&alias.name)) {
                aliases.push(Some(&alias.name));
            }
        }
        for alias in aliases {
            if let Err(between) = common_form(&all, alias) {
                let what = alias.map_or("ids".to_owned(), |name| format!("the alias {name:?}"));
                let path = if alias.is_some() { "spec.event.subject.aliases" } else { "spec.event.subject.canonical" };
                let message = format!(
                    "{} and {} are of the space {space:?} and bring {what} to different forms: one person would be two",
                    between.first, between.second
                );
                let fix = "declare the same canonical (and defaultRegion, for phone numbers) in both".to_owned();
                findings.push(Finding {
                    fix: Some(fix),
                    ..pipeline_finding(resources, pipeline, "SpaceForms", path, &message)
                });
            }
        }
        findings.extend(root_finding(resources, space, &all));
    }
    findings
}

/// Pipelines of one space must have the same root key. Checked if their Secrets are among the
/// manifests.
fn root_finding(resources: &Resources, space: &str, all: &[&ProfilePipeline]) -> Option<Finding> {
    let rings: Vec<(&ProfilePipeline, KeyRing)> = all
        .iter()
        .filter_map(|pipeline| {
            let secret = resources.secret(namespace(pipeline), &pipeline.spec.keys.secret_ref.name)?;
            Some((*pipeline, may_read(secret).then(|| read_ring(secret).ok())??))
        })
        .collect();
    let (first, wanted) = rings.first()?;
    let (second, _) = rings.iter().find(|(_, ring)| ring.root_check() != wanted.root_check())?;
    let message = format!(
        "{} and {} are of the space {space:?} and have different root keys: one person would have two tokens",
        full_name(first),
        full_name(second)
    );
    let fix = Some("name one keys Secret in both".to_owned());
    Some(Finding { fix, ..pipeline_finding(resources, second, "RootKeyMismatch", "spec.keys.secretRef", &message) })
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn counted(resources: &Resources) -> String {
    let pipelines = plural(resources.pipelines().count(), "pipeline");
    let stores = plural(resources.data_stores().count(), "store");
    let keys = resources.secrets().filter(|secret| secret.secret_type == KEYS_SECRET_TYPE).count();
    let keys = if keys == 0 { "no keys Secret".to_owned() } else { plural(keys, "keys Secret") };
    format!("{pipelines}, {stores} and {keys} checked")
}

fn text(findings: &[Finding], checked: &str) -> String {
    let mut out = String::new();
    for finding in findings {
        if let Some(file) = &finding.file {
            out.push_str(file);
            if let Some(line) = finding.line {
                out.extend([format!(":{line}")]);
            }
            out.push_str(": ");
        }
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        out.extend([format!("{severity}[{}] ", finding.code)]);
        if !finding.path.is_empty() {
            out.extend([format!("{}: ", finding.path)]);
        }
        out.push_str(&finding.message);
        if let Some(fix) = &finding.fix {
            out.extend([format!("; {fix}")]);
        }
        out.push('\n');
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings > 0 {
        out.push('\n');
    }
    out.extend([format!("{}, {}; {checked}\n", plural(errors, "error"), plural(warnings, "warning"))]);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use lethe_crds::load::read_text;

    use super::*;

    fn laptop() -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/laptop");
        let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        format!("{}\n---\n{}", read("pipeline.yaml"), read("store.yaml"))
    }

    fn codes(text: &str) -> Vec<String> {
        let findings = findings(&read_text("all.yaml", text).unwrap());
        assert!(findings.iter().all(|finding| finding.file.as_deref() == Some("all.yaml") && finding.line.is_some()));
        findings.into_iter().map(|finding| finding.code).filter(|code| code != "SecretNotSeen").collect()
    }

    fn keys(name: &str, data: &[(&str, &str)]) -> String {
        let data: Vec<String> = data.iter().map(|(key, byte)| format!("{key}: \"{}\"", byte.repeat(32))).collect();
        format!(
            "\n---\napiVersion: v1\nkind: Secret\ntype: lethe.dev/keys\nmetadata: {{name: {name}}}\nstringData: {{{}}}\n",
            data.join(", ")
        )
    }

    #[test]
    fn the_example_is_clean() {
        assert_eq!(codes(&laptop()), Vec::<String>::new());
    }

    #[test]
    fn a_ring_without_the_key_of_an_audience_is_reported() {
        let ring = keys("lethe-keys", &[("root", "0a"), ("master-1", "0b"), ("audience-analytics", "0c")]);
        assert_eq!(codes(&(laptop() + &ring)), ["KeyMissing"]);
    }

    #[test]
    fn an_invalid_ring_is_reported() {
        assert_eq!(codes(&(laptop() + &keys("lethe-keys", &[("root", "0a")]))), ["KeysInvalid"]);
    }

    #[test]
    fn contradictory_pipelines_of_one_space_are_reported() {
        let other = laptop().replace("  name: profiles\n", "  name: other\n");
        let second = other.split("\n---\n").next().unwrap();
        let same = format!("{}\n---\n{second}", laptop());
        assert_eq!(codes(&same), Vec::<String>::new());
        let differs = second.replace("canonical: Email", "canonical: Exact");
        assert_ne!(differs, second);
        assert_eq!(codes(&format!("{}\n---\n{differs}", laptop())), ["SpaceForms"]);
    }

    #[test]
    fn pipelines_of_one_space_with_two_roots_are_reported() {
        let ring = |name, first| {
            let mut all = vec![("root", first), ("master-1", "1b")];
            all.extend([("audience-analytics", "1c"), ("audience-operational", "1d")]);
            keys(name, &all)
        };
        let other = laptop().replace("  name: profiles\n", "  name: other\n").replace("lethe-keys", "other-keys");
        let second = other.split("\n---\n").next().unwrap();
        let all = format!("{}\n---\n{second}{}{}", laptop(), ring("lethe-keys", "0a"), ring("other-keys", "0b"));
        assert_eq!(codes(&all), ["RootKeyMismatch"]);
    }

    #[test]
    fn every_mistake_is_one_line_with_its_location() {
        let load = read_text("a.yaml", "kind: Nothing\n").unwrap_err();
        let findings = load_findings(&load);
        let text = text(&findings, "x");
        assert!(text.starts_with("a.yaml:1: error[Manifest] "), "{text}");
        assert_eq!(text.lines().count(), findings.len() + 2);
    }
}
