//! `reveal`: shows what is held about one person, and records the ground.

use std::{
    fmt::Write,
    io::{BufRead, IsTerminal, Read, stdin},
};

use clap::Args;
use lethe_core::sensitive::Sensitive;
use serde_json::value::RawValue;

use super::{Failure, Output, block_on, files::Files};
use crate::{
    open::open_to_read,
    reveal::{Ground, RevealError, Revealed, RevealedRecord, SinkRecords, SubjectQuery, User, flatten, reveal},
};

/// Show what is held about one person, opened.
///
/// Searches the tables and collections of a pipeline's sinks. Before anything is shown, the key
/// store's audit record is written with the time, the user of this machine, the subject's token,
/// the number of records and the ground.
#[derive(Args)]
pub(super) struct Reveal {
    #[command(flatten)]
    files: Files,

    /// The pipeline, as NAME or NAMESPACE/NAME; needed if there are several.
    #[arg(short, long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Why you look: a ticket, an article of a law. It is stored, so it must not contain personal
    /// data.
    #[arg(long, value_name = "TEXT")]
    ground: Ground,

    /// The identifier is this alias of the subject, not its id.
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,

    /// Allow stores that are not on this machine.
    #[arg(long)]
    live: bool,

    /// The subject's id in the pipeline's space, or - to read it from standard input. An argument
    /// is visible in the shell's history and in the list of processes; `-` is not.
    #[arg(value_name = "ID|-")]
    identifier: String,
}

/// The longest line that is read as an identifier, in bytes. Identifiers are shorter.
const MAX_LINE: u64 = 16 * 1024;

impl Reveal {
    pub(super) fn execute(self, output: Output) -> Result<(), Failure> {
        block_on(self.start(output))
    }

    async fn start(self, output: Output) -> Result<(), Failure> {
        let resources = self.files.read()?;
        let mut access = open_to_read(&resources, self.pipeline.as_deref(), self.live).await?;
        let identifier = if self.identifier == "-" { read_line()? } else { Sensitive::new(self.identifier) };
        let query = SubjectQuery { identifier, alias: self.alias };
        let revealed = reveal(&mut access, &query, &self.ground, &User::current()).await?;
        if !revealed.known {
            return Err(Failure::Other(format!(
                "nothing is known of this subject in {}: no key and no record; is it the right identifier, and the \
                 right pipeline?",
                revealed.pipeline
            )));
        }
        match output {
            Output::Text => print!("{}", text(&revealed)?),
            Output::Json => println!("{}", serde_json::to_string(&revealed).map_err(Failure::other)?),
        }
        Ok(())
    }
}

/// Reads one line of standard input.
fn read_line() -> Result<Sensitive<String>, Failure> {
    let input = stdin();
    if input.is_terminal() {
        eprint!("identifier: ");
    }
    let mut line = String::new();
    // A read error doesn't quote the input.
    input
        .lock()
        .take(MAX_LINE)
        .read_line(&mut line)
        .map_err(|error| Failure::Other(format!("failed to read the identifier from standard input: {error}")))?;
    let identifier = line.trim_end_matches(['\r', '\n']).to_owned();
    if identifier.is_empty() {
        return Err(Failure::Usage("standard input holds no identifier: one line is read".to_owned()));
    }
    Ok(Sensitive::new(identifier))
}

// Writing to a String can't fail, here and below.
fn text(revealed: &Revealed) -> Result<String, Failure> {
    let mut out =
        format!("subject   {}\npipeline  {}\n", revealed.subject.as_deref().unwrap_or("-"), revealed.pipeline);
    if !revealed.shredded.is_empty() {
        let _ = writeln!(out, "erased    keys destroyed: {}", revealed.shredded.join(", "));
    }
    for held in &revealed.sinks {
        push_sink(held, &mut out)?;
    }
    out.push_str("\nnot searched\n");
    for place in &revealed.not_searched {
        let _ = writeln!(out, "  {}: {}", place.place, place.why);
    }
    Ok(out)
}

fn push_sink(held: &SinkRecords, out: &mut String) -> Result<(), Failure> {
    let records = match held.records.len() {
        0 => "nothing".to_owned(),
        1 => "1 record".to_owned(),
        several => format!("{several} records"),
    };
    let _ = writeln!(out, "\n{}: {records} ({:?}, table {} of {})", held.sink, held.audience, held.table, held.store);
    held.records.iter().try_for_each(|record| push_record(record, out))
}

fn push_record(record: &RevealedRecord, out: &mut String) -> Result<(), Failure> {
    let _ = write!(out, "  {}  event {}", record.event_time, shown(&record.event_id));
    for (word, time) in [("expires", &record.expires_at), ("deleted", &record.deleted_at)] {
        if let Some(time) = time {
            let _ = write!(out, ", {word} {time}");
        }
    }
    out.push('\n');
    let lines = record.document.as_deref().map(lines).transpose()?.unwrap_or_default();
    let width = lines.iter().map(|(path, _)| path.chars().count()).max().unwrap_or_default();
    for (path, value) in &lines {
        let _ = writeln!(out, "    {path:width$}  {value}");
    }
    for closed in &record.closed {
        let _ = writeln!(out, "    ! {}: {}", shown(&closed.path), closed.why);
    }
    Ok(())
}

/// Returns the path and value of each line.
fn lines(document: &RawValue) -> Result<Vec<(String, String)>, Failure> {
    let leaves = flatten(document).ok_or_else(|| Failure::Other("a record is no JSON".to_owned()))?;
    Ok(leaves.into_iter().map(|(path, value)| (shown(&path), shown(&value))).collect())
}

/// Escapes characters that move the cursor or change the direction of text, which values may
/// contain.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let progress = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || progress {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

impl From<RevealError> for Failure {
    fn from(error: RevealError) -> Self {
        match error {
            RevealError::Store(error) => error.into(),
            RevealError::Open(error) => error.into(),
            RevealError::Ring(_) => Failure::Key(error.to_string()),
            RevealError::NoSuchAlias { .. } | RevealError::NotCanonical(_) => Failure::Usage(error.to_string()),
            RevealError::Ambiguous { .. } | RevealError::NotJson(_) => Failure::other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_values_are_escaped() {
        assert_eq!(shown("Zo\u{eb} \u{1b}[2J\u{9b}1m\u{202e}x"), "Zo\u{eb} \\u{1b}[2J\\u{9b}1m\\u{202e}x");
    }
}
