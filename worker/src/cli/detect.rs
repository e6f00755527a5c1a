//! `detect`: finds personal data in files that no manifest describes yet.

use std::io::{IsTerminal, stdin};

use clap::{Args, ValueEnum};
use lethe_core::{json::payload, reason::Reason, record::IncomingBatch};
use lethe_crds::profile_pipeline::FileFormat;
use lethe_stores::{
    Source,
    file::{FileSource, FileSourceOptions},
};
use serde_json::{Value, json};

use super::{
    Failure, Output, answer,
    bar::bar,
    table::{number, table},
};
use crate::{
    clock::now,
    survey::{BY_NAME, Location, Report, Suggestion, Survey},
};

/// Find the fields of your data that hold personal data, and suggest how to declare them.
///
/// Searches every text of every event for e-mail addresses, phone numbers, payment cards, IBANs and
/// IP addresses, and every name of a field for words such as ssn, password, dob and telefon. Shows
/// paths, which consist of your field names, and never a value. Keys that are data themselves (a
/// map by e-mail address, by number) are shown as *. Names, dates and street addresses have no
/// form: go through the other fields yourself. Exits with code 3 if a part of the data could not be
/// read: it was not searched.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Detect {
    /// Files, patterns such as 'logs/*.ndjson.gz', or - for standard input; gzip and zstd are
    /// recognised. A line that is not a JSON object is searched as one text.
    #[arg(value_name = "FILE|-", default_value = "-", hide_default_value = true)]
    files: Vec<String>,

    /// Format of the events.
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,

    /// Print `fields:` of a manifest instead of a table.
    #[arg(long)]
    suggest: bool,
}

/// Format of the events.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// One JSON object per line, or lines of text.
    Ndjson,
    /// Comma-separated rows under a header.
    Csv,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker detect events.ndjson.gz
  lethe-worker detect --suggest 'logs/*.ndjson' >> pipeline.yaml
  zcat old.csv.gz | lethe-worker detect --format csv - --output json | jq '.found[] | select(.share > 0.5) | .path'";

/// Events per batch.
const BATCH: usize = 1_000;

impl Detect {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        if self.files.iter().any(|file| file == "-") && stdin().is_terminal() {
            eprintln!("type events, a line each; end with Ctrl-D");
        }
        let report = self.survey()?.report();
        match (output, self.suggest) {
            (Output::Text, false) => answer::text(&text(&report))?,
            (Output::Text, true) => answer::text(&manifest(&report))?,
            (Output::Json, false) => answer::json(&document(&report))?,
            (Output::Json, true) => answer::json(&json!({"fields": fields(&report.fields)}))?,
        }
        match unread(&report) {
            Some(unread) => Err(Failure::InvalidInput(unread)),
            None => Ok(()),
        }
    }

    fn survey(&self) -> Result<Survey, Failure> {
        let format = match self.format {
            Format::Ndjson => FileFormat::Ndjson,
            Format::Csv => FileFormat::Csv,
        };
        let open = |file: &String| FileSource::open(FileSourceOptions::new(file, format, now()));
        // Opens all files before reading the first, so that a wrong name fails at once.
        let mut sources = self.files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let total = sources.iter().map(Source::total_bytes).sum();
        let bar = bar(total, "{msg} events");
        let mut survey = Survey::default();
        let (mut events, mut before) = (0, 0);
        for source in &mut sources {
            while let Some(batch) = source.next_batch(BATCH)? {
                read(&mut survey, &batch);
                events += batch.records.len() as u64;
                bar.set_position(before + source.bytes_read());
                bar.set_message(number(events));
            }
            before += source.bytes_read();
        }
        bar.finish_and_clear();
        Ok(survey)
    }
}

fn read(survey: &mut Survey, batch: &IncomingBatch) {
    for record in &batch.records {
        match &record.value {
            Some(range) if record.unreadable.is_none() => survey.read(payload(&batch.bytes[range.clone()])),
            _ => survey.skip(record.unreadable.unwrap_or(Reason::NotJson)),
        }
    }
}

/// Returns what was not searched, and why; `None` if all was.
fn unread(report: &Report) -> Option<String> {
    if report.unreadable.is_empty() {
        return None;
    }
    let reasons: Vec<String> = report
        .unreadable
        .iter()
        .map(|(code, events)| {
            let reason = Reason::ALL.into_iter().find(|reason| reason.code() == *code);
            let meaning = reason.map_or("", Reason::meaning).trim_end_matches('.');
            format!("{} {code} ({meaning})", number(*events))
        })
        .collect();
    Some(format!(
        "{} of {} events could not be read and were not searched: {}; mend them, or correct --format, and run it again",
        number(report.counts.unreadable),
        number(report.counts.events),
        reasons.join(", ")
    ))
}

fn document(report: &Report) -> Value {
    let found: Vec<Value> = report
        .found
        .iter()
        .map(|found| {
            let mut row = json!(found);
            row["share"] = json!(found.share());
            row["suggestion"] = found.suggestion.as_ref().map_or(Value::Null, field);
            row
        })
        .collect();
    json!({"counts": report.counts, "unreadable": report.unreadable, "found": found, "fields": fields(&report.fields)})
}

fn fields(fields: &[Suggestion]) -> Vec<Value> {
    fields.iter().map(field).collect()
}

/// Returns a field as declared in a manifest.
fn field(field: &Suggestion) -> Value {
    let mut declared = json!({"path": field.path, "category": field.category});
    if !field.clean.is_empty() {
        declared["clean"] = json!(field.clean);
    }
    declared["protect"] = field.protect.to_json();
    declared
}

fn text(report: &Report) -> String {
    let counts = &report.counts;
    let mut out = format!("{} events", number(counts.events));
    for (count, what) in [
        (counts.text, "no JSON object: searched as text"),
        (counts.unreadable, "not read and not searched"),
        (counts.crowded, "with more paths than are kept apart"),
    ] {
        if count > 0 {
            out.push_str(&format!(", {} {what}", number(count)));
        }
    }
    out.push_str("\n\n");
    if report.found.is_empty() {
        out.push_str(match counts.unreadable {
            0 => "Nothing with the form or the name of personal data was found.\n",
            _ => "Nothing was found in what could be read. The rest was not searched and is not clean.\n",
        });
    } else {
        let headers = ["PATH", "KIND", "CATEGORY", "PROTECT", "EVENTS", "SHARE"].map(str::to_owned);
        let rows: Vec<Vec<String>> = report
            .found
            .iter()
            .map(|found| {
                let place = match &found.location {
                    Location::Line => "(the line)".to_owned(),
                    Location::Path(path) => path.clone(),
                    Location::Keys(path) if path.is_empty() => "(keys of the event)".to_owned(),
                    Location::Keys(path) => format!("{path} (keys)"),
                    Location::Other => "(elsewhere)".to_owned(),
                };
                let suggested =
                    |what: fn(&Suggestion) -> String| found.suggestion.as_ref().map_or_else(|| "-".to_owned(), what);
                vec![
                    place,
                    match found.kind {
                        BY_NAME => "(by its name)".to_owned(),
                        kind => kind.to_owned(),
                    },
                    suggested(|field| field.category.to_owned()),
                    suggested(|field| field.protect.name().to_owned()),
                    number(found.events),
                    share(found.share()),
                ]
            })
            .collect();
        out.push_str(&table(&headers, &rows, 4));
        out.push_str("\n\nSHARE is of the events that hold a text there. --suggest writes the fields of a manifest.\n");
    }
    out.push_str(CAVEAT);
    out
}

const CAVEAT: &str = "\
Only data with a recognisable form is found. Names, dates and street addresses have none: go through the other\n\
fields yourself.\n";

/// Formats a share in percent. Shows 0 % only for none, and 100 % only for all.
fn share(share: f64) -> String {
    match share * 100.0 {
        percent if percent < 1.0 => "<1 %".to_owned(),
        percent if percent > 99.0 && percent < 100.0 => ">99 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

/// Returns `fields:` of a manifest.
fn manifest(report: &Report) -> String {
    let mut out = format!("# By the form and the names of the data in {} events. ", number(report.counts.events));
    out.push_str("Names, dates and street addresses have no form:\n# go through the other fields yourself.\n");
    if let Some(unread) = unread(report) {
        out.push_str(&format!("# INCOMPLETE: {unread}\n"));
    }
    if report.fields.is_empty() {
        out.push_str("fields: []\n");
        return out;
    }
    out.push_str("fields:\n");
    for field in &report.fields {
        let clean = match field.clean {
            [] => String::new(),
            steps => format!(", clean: [{}]", steps.join(", ")),
        };
        let (path, category, protect) = (scalar(&field.path), field.category, field.protect.to_yaml());
        out.push_str(&format!("  # {}\n", field.why));
        out.push_str(&format!("  - {{path: {path}, category: {category}{clean}, protect: {protect}}}\n"));
    }
    out
}

/// Returns a path as a YAML scalar, quoted unless all YAML versions read it as text.
fn scalar(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.' | '*' | '~');
    if path.chars().all(plain) { path.to_owned() } else { Value::from(path).to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lethe_crds::load::read_text;

    use super::*;

    fn report(events: &[Value]) -> Report {
        let mut survey = Survey::default();
        for event in events {
            survey.read(event.to_string().as_bytes());
        }
        survey.report()
    }

    /// Returns events with a field for each protection, and keys that need quotes in YAML.
    fn varied_events() -> Vec<Value> {
        let events = (0..10).map(|_| {
            json!({
                "e-mail": "ann@example.com", "a: b": "ann@example.com", "#x": "ann@example.com", "größe": "ann@example.com",
                "q\"\\": "ann@example.com", "a/b~c": ["ann@example.com"], "x, y": "please call me back on +44 20 7946 0042 after five", "ip": "192.0.2.7", "password": "x",
                "cards": {"4111 1111 1111 1111": "used"},
            })
        });
        events.collect()
    }

    #[test]
    fn suggested_fields_can_be_declared() {
        let laptop = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/laptop/pipeline.yaml"));
        let laptop = laptop.unwrap();
        let (head, tail) = (laptop.find("  fields:\n").unwrap(), laptop.find("  sinks:\n").unwrap());
        let report = report(&varied_events());
        let fields: String = manifest(&report).lines().map(|line| format!("  {line}\n")).collect();
        let pipeline = format!("{}{fields}{}", &laptop[..head], &laptop[tail..]);
        let resources = read_text("pipeline.yaml", &pipeline).unwrap_or_else(|error| panic!("{error}\n{fields}"));
        let declared = &resources.pipelines().next().unwrap().spec.fields;
        let paths: Vec<&str> = declared.iter().map(|field| field.path.as_str()).collect();
        let suggested: Vec<&str> = report.fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, suggested);
        let documents: Vec<Value> = declared.iter().map(|field| serde_json::to_value(field).unwrap()).collect();
        assert_eq!(documents, super::fields(&report.fields), "--output json has the same fields");
    }

    #[test]
    fn a_rounded_share_is_0_only_for_none_and_100_only_for_all() {
        assert_eq!([share(0.0001), share(0.33), share(0.999), share(1.0)], ["<1 %", "33 %", ">99 %", "100 %"]);
    }
}
