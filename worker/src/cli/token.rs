//! `token`: shows the token of an identifier, or its reference for an audience.

use std::io::{BufRead, BufReader, IsTerminal, Read, stderr, stdin};

use clap::{Args, ValueEnum};
use lethe_core::{
    identity::{CanonicalVersion, MAX_IDENTIFIER, TokenText, canonical},
    keys::KeyRing,
    scalar::Scalar,
};
use lethe_crds::{ProfilePipeline, load::Resources, profile_pipeline::Audience};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    Failure, Output, answer,
    files::Files,
    spaces::{Form, common_form, full_name, namespace, pipelines_of_space},
};
use crate::open::{find, find_ring_of};

/// Show the token of an identifier.
///
/// A token identifies a person in erasure requests and in the ledger. It is written as `<root
/// check>:<64 hexadecimal digits>`. It is computed with the root key, so it cannot be computed
/// without the keys. Identifiers are read from standard input, one per line, and never shown.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Token {
    #[command(flatten)]
    files: Files,

    /// The space of the identifier, as in event.subject.space of its pipelines.
    #[arg(long, value_name = "SPACE")]
    space: String,

    /// Use only this pipeline's form of identifiers, as NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// The identifier is this alias, such as an e-mail address. Its token resolves to a subject,
    /// and is never the token of a subject.
    #[arg(long, value_name = "NAME", conflicts_with = "reference")]
    alias: Option<String>,

    /// Show the person's reference in the records of this audience (subject_ref) instead.
    #[arg(long, value_name = "AUDIENCE", value_enum, ignore_case = true)]
    reference: Option<AudienceArg>,

    /// The version of the canonical forms of the space, for an identifier that has another form in
    /// each: 1 if the space was in use before Lethe recorded versions, else 2.
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u64).range(1..=2))]
    canonical_version: Option<u64>,

    /// The identifier; - or nothing: read them from standard input. Arguments are visible in the
    /// shell's history and in the list of processes, so prefer standard input.
    #[arg(value_name = "ID|-", default_value = "-", hide_default_value = true, allow_hyphen_values = true)]
    id: String,
}

/// The audience of a sink.
#[derive(Clone, Copy, ValueEnum)]
enum AudienceArg {
    Identity,
    Operational,
    Analytics,
    Public,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker token -f examples/laptop -f lethe-keys.yaml --space customers < ids.txt
  lethe-worker token -f examples/laptop -f lethe-keys.yaml --space customers --alias email < addresses.txt
  ref=$(lethe-worker token -f examples/laptop -f lethe-keys.yaml --space customers --reference operational < id.txt)
  sqlite3 lethe.sqlite \"select * from profiles where subject_ref = '$ref'\"";

/// Computes tokens or references of identifiers.
struct TokenMaker<'a> {
    ring: KeyRing,
    form: Form,
    space: &'a str,
    alias: Option<&'a str>,
    reference: Option<Audience>,
    version: Option<CanonicalVersion>,
}

impl Token {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        let resources = self.files.read()?;
        let maker = self.maker(&resources)?;
        let made = if self.id == "-" {
            if stdin().is_terminal() {
                eprintln!("type identifiers, a line each; end with Ctrl-D");
            }
            lines(stdin().lock(), |line| maker.make(line))?
        } else {
            vec![maker.make(&self.id).map_err(|error| Failure::InvalidInput(format!("the identifier: {error}")))?]
        };
        match output {
            Output::Text => answer::text(&(made.join("\n") + if made.is_empty() { "" } else { "\n" })),
            Output::Json => {
                let name = if self.reference.is_some() { "reference" } else { "token" };
                answer::json(&Value::from(made.iter().map(|made| json!({name: made})).collect::<Vec<_>>()))
            }
        }
    }

    fn maker(&self, resources: &Resources) -> Result<TokenMaker<'_>, Failure> {
        let pipelines = self.pipelines(resources)?;
        let form = common_form(&pipelines, self.alias.as_deref()).map_err(|between| {
            Failure::InvalidInput(format!(
                "the pipelines {} and {} write identifiers of the space {:?} differently (canonical, or the region of \
                 phone numbers), so that one identifier means two people; make them agree, or choose with --pipeline",
                between.first, between.second, self.space
            ))
        })?;
        let form = form.ok_or_else(|| {
            let declared: Vec<&str> = pipelines
                .iter()
                .flat_map(|pipeline| pipeline.spec.event.subject.aliases.as_deref().unwrap_or_default())
                .map(|alias| alias.name.as_str())
                .collect();
            let declared = if declared.is_empty() { "none".to_owned() } else { declared.join(", ") };
            Failure::Usage(format!(
                "no pipeline of the space {:?} has an alias {:?}; there are: {declared}",
                self.space,
                self.alias.as_deref().unwrap_or_default()
            ))
        })?;
        let ring = common_ring(resources, &pipelines)?;
        let reference = self.reference.map(|reader| match reader {
            AudienceArg::Identity => Audience::Identity,
            AudienceArg::Operational => Audience::Operational,
            AudienceArg::Analytics => Audience::Analytics,
            AudienceArg::Public => Audience::Public,
        });
        if let Some(audience) = reference {
            ring.require([audience]).map_err(|error| Failure::Key(error.to_string()))?;
        }
        let version = self.canonical_version.and_then(CanonicalVersion::from_number);
        Ok(TokenMaker { ring, form, space: &self.space, alias: self.alias.as_deref(), reference, version })
    }

    fn pipelines<'r>(&self, resources: &'r Resources) -> Result<Vec<&'r ProfilePipeline>, Failure> {
        if let Some(name) = &self.pipeline {
            let found = find(resources, Some(name))?;
            let space = &found.spec.event.subject.space;
            if *space != self.space {
                let message =
                    format!("the pipeline {} is of the space {space:?}, not {:?}", full_name(found), self.space);
                return Err(Failure::Usage(message));
            }
            return Ok(vec![found]);
        }
        let found = pipelines_of_space(resources, &self.space);
        if found.is_empty() {
            let mut spaces: Vec<&str> =
                resources.pipelines().map(|pipeline| pipeline.spec.event.subject.space.as_str()).collect();
            spaces.sort_unstable();
            spaces.dedup();
            let spaces = if spaces.is_empty() { "none".to_owned() } else { spaces.join(", ") };
            return Err(Failure::Usage(format!("no pipeline is of the space {:?}; there are: {spaces}", self.space)));
        }
        Ok(found)
    }
}

/// Returns the ring of these pipelines. They may name several Secrets, but must share one root key.
fn common_ring(resources: &Resources, pipelines: &[&ProfilePipeline]) -> Result<KeyRing, Failure> {
    let mut common: Option<(String, KeyRing)> = None;
    for pipeline in pipelines {
        let ring = find_ring_of(resources, namespace(pipeline), &pipeline.spec.keys.secret_ref.name)?;
        match &common {
            Some((first, other)) if other.root_check() != ring.root_check() => {
                return Err(Failure::Key(format!(
                    "the pipelines {first} and {} have different root keys, so that one identifier has two tokens; \
                     choose with --pipeline",
                    full_name(pipeline)
                )));
            }
            Some(_) => {}
            None => common = Some((full_name(pipeline), ring)),
        }
    }
    common.map(|(_, ring)| ring).ok_or_else(|| Failure::Usage("there is no pipeline".to_owned()))
}

impl TokenMaker<'_> {
    fn canonical(&self, id: &str, version: CanonicalVersion) -> Result<Zeroizing<String>, String> {
        let mut one = Zeroizing::new(String::new());
        let value = Scalar::Text(id.into());
        canonical(&value, self.form.canonical, version, self.form.region.as_deref(), &mut one)
            .map_err(|error| error.to_string())?;
        Ok(one)
    }

    /// Returns the token or the reference of an identifier. Errors never contain the identifier.
    fn make(&self, id: &str) -> Result<String, String> {
        let one = self.canonical(id, self.version.unwrap_or(CanonicalVersion::NEWEST))?;
        if self.version.is_none() && self.canonical(id, CanonicalVersion::V1).ok().as_ref() != Some(&one) {
            return Err("it has another canonical form in each version, and so another token; give \
                        --canonical-version 1 if the space was in use before Lethe recorded versions, else 2"
                .to_owned());
        }
        let token = match self.alias {
            Some(name) => self.ring.alias_token(self.space, name, &one),
            None => self.ring.token(self.space, &one),
        };
        match self.reference {
            Some(audience) => {
                self.ring.reference(audience, &token).map(|made| made.to_string()).map_err(|error| error.to_string())
            }
            None => Ok(TokenText { root: self.ring.root_check(), token }.to_string()),
        }
    }
}

/// The longest line that is read. It is longer than any form of an identifier.
const MAX_LINE: usize = 16 * MAX_IDENTIFIER;

/// Reads one identifier per line and converts it. Returns one answer per line. An error contains
/// the number of the line, and nothing of its text.
fn lines(input: impl Read, make: impl Fn(&str) -> Result<String, String>) -> Result<Vec<String>, Failure> {
    let mut input = BufReader::new(input);
    let mut answers = Vec::new();
    let mut line = Zeroizing::new(Vec::new());
    loop {
        line.clear();
        let taken = (&mut input).take(MAX_LINE as u64).read_until(b'\n', &mut line);
        let taken = taken.map_err(|error| Failure::Other(format!("failed to read identifiers: {error}")))?;
        if taken == 0 {
            break;
        }
        if taken == MAX_LINE && !line.ends_with(b"\n") {
            return Err(Failure::InvalidInput(format!(
                "line {} of the input is longer than {MAX_LINE} bytes",
                answers.len() + 1
            )));
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let one = std::str::from_utf8(text).map_err(|_| "not UTF-8".to_owned()).and_then(&make);
        answers.push(
            one.map_err(|error| Failure::InvalidInput(format!("line {} of the input: {error}", answers.len() + 1)))?,
        );
    }
    if answers.is_empty() && stderr().is_terminal() {
        eprintln!("no identifiers were given");
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_line_has_an_answer_and_an_invalid_one_is_reported_by_its_number() {
        let make = |line: &str| if line == "bad" { Err("no".to_owned()) } else { Ok(line.to_uppercase()) };
        assert_eq!(lines(&b"a\r\nb\n\nc"[..], make).unwrap(), ["A", "B", "", "C"]);
        let Err(Failure::InvalidInput(message)) = lines(&b"a\nbad\n"[..], make) else { panic!() };
        assert_eq!(message, "line 2 of the input: no");
        let Err(Failure::InvalidInput(message)) = lines(&b"\xff"[..], make) else { panic!() };
        assert_eq!(message, "line 1 of the input: not UTF-8");
    }
}
