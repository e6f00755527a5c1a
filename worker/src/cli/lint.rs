//! `lint`: everything that is wrong with manifests, before anything runs.

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
    spaces::{common_form, full_name, namespace, of_space},
};
use crate::open::{OpenError, check, may_read, probe, read_ring};

/// Say everything that is wrong with manifests.
///
/// Checks every pipeline by every rule, without opening a store. With the keys Secret among the
/// manifests, its keys are checked, too. With --live every store is asked whether it answers and is
/// what the manifests say; nothing is made. Ends with exit code 3 if there are errors.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Lint {
    #[command(flatten)]
    files: Files,

    /// Take warnings for errors.
    #[arg(long)]
    strict: bool,

    /// Ask every store, too: logins, certificates, rights, topics, tables, collections. Nothing is
    /// made or written.
    #[arg(long)]
    live: bool,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker lint -f examples/laptop -f lethe-keys.yaml
  helm template . | lethe-worker lint --strict -f -
  lethe-worker lint -f manifests/ --output json | jq -r '.[].message'";

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    severity: Severity,
    /// Stable, for machines.
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Where the object begins, or the place itself where it is known.
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
                    found.extend(block_on(of_stores(&resources))?);
                }
                (found, counted(&resources))
            }
            Err(Failure::Load(error)) => (of_load(&error), "nothing was checked further".to_owned()),
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

/// Everything that is wrong with manifests that could be read.
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
                    findings.push(on_pipeline(resources, pipeline, "KeyMissing", "spec.sinks", &error.to_string()));
                }
                warnings
            }
            Err(OpenError::Mistakes(mistakes)) => mistakes,
            Err(other) => {
                findings.push(on_pipeline(resources, pipeline, "NotChecked", "spec", &other.to_string()));
                continue;
            }
        };
        findings.extend(mistakes.into_iter().map(|mistake| of_mistake(resources, pipeline, mistake)));
    }
    findings.extend(resources.secrets().filter_map(|secret| of_secret(resources, secret)));
    findings.extend(of_spaces(resources));
    findings.sort_by(|a, b| (&a.file, a.line, a.severity).cmp(&(&b.file, b.line, b.severity)));
    findings
}

/// What stores say of the pipelines whose manifests are right.
async fn of_stores(resources: &Resources) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for pipeline in resources.pipelines() {
        match probe(resources, Some(&full_name(pipeline)), true).await {
            Ok(wrong) => {
                let found = |error: OpenError| on_pipeline(resources, pipeline, "Store", "spec", &error.to_string());
                findings.extend(wrong.into_iter().map(found));
            }
            // It is told already.
            Err(OpenError::Mistakes(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(findings)
}

fn of_mistake(resources: &Resources, pipeline: &ProfilePipeline, mistake: Mistake) -> Finding {
    let found = on_pipeline(resources, pipeline, mistake.code, &mistake.path, &mistake.message);
    Finding { severity: mistake.severity, fix: mistake.fix, ..found }
}

fn on_pipeline(resources: &Resources, pipeline: &ProfilePipeline, code: &str, path: &str, message: &str) -> Finding {
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

fn of_load(load: &LoadError) -> Vec<Finding> {
    let findings = load.mistakes.iter().map(|mistake| Finding {
        fix: Some(mistake.fix.clone()).filter(|fix| !fix.is_empty()),
        ..error(Some(&mistake.place), "Manifest", &mistake.path, &mistake.what)
    });
    findings.collect()
}

/// What is wrong with the keys of a Secret that is meant to hold some.
fn of_secret(resources: &Resources, secret: &Secret) -> Option<Finding> {
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

/// What pipelines of one space must say alike.
fn of_spaces(resources: &Resources) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for pipeline in resources.pipelines() {
        // Namespaces may be erasure domains of their own, which manifests alone don't tell.
        let (here, space) = (namespace(pipeline), pipeline.spec.event.subject.space.as_str());
        if seen.contains(&(here, space)) {
            continue;
        }
        seen.push((here, space));
        let mut all = of_space(resources, space);
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
                let fix = "say the same canonical (and defaultRegion, for phone numbers) in both".to_owned();
                findings
                    .push(Finding { fix: Some(fix), ..on_pipeline(resources, pipeline, "SpaceForms", path, &message) });
            }
        }
        findings.extend(of_roots(resources, space, &all));
    }
    findings
}

/// Pipelines of one space share a root; told where their Secrets are among the manifests.
fn of_roots(resources: &Resources, space: &str, all: &[&ProfilePipeline]) -> Option<Finding> {
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
    Some(Finding { fix, ..on_pipeline(resources, second, "RootKeyMismatch", "spec.keys.secretRef", &message) })
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
    fn a_ring_that_lacks_the_key_of_an_audience_is_told() {
        let ring = keys("lethe-keys", &[("root", "0a"), ("master-1", "0b"), ("audience-analytics", "0c")]);
        assert_eq!(codes(&(laptop() + &ring)), ["KeyMissing"]);
    }

    #[test]
    fn a_ring_that_is_none_is_told() {
        assert_eq!(codes(&(laptop() + &keys("lethe-keys", &[("root", "0a")]))), ["KeysInvalid"]);
    }

    #[test]
    fn pipelines_of_one_space_that_disagree_are_told() {
        let other = laptop().replace("  name: profiles\n", "  name: other\n");
        let second = other.split("\n---\n").next().unwrap();
        let same = format!("{}\n---\n{second}", laptop());
        assert_eq!(codes(&same), Vec::<String>::new());
        let differs = second.replace("canonical: Email", "canonical: Exact");
        assert_ne!(differs, second);
        assert_eq!(codes(&format!("{}\n---\n{differs}", laptop())), ["SpaceForms"]);
    }

    #[test]
    fn pipelines_of_one_space_and_two_roots_are_told() {
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
    fn every_mistake_is_a_line_with_its_place() {
        let load = read_text("a.yaml", "kind: Nothing\n").unwrap_err();
        let findings = of_load(&load);
        let text = text(&findings, "x");
        assert!(text.starts_with("a.yaml:1: error[Manifest] "), "{text}");
        assert_eq!(text.lines().count(), findings.len() + 2);
    }
}
