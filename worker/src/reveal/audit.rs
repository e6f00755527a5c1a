//! Who looked, at find_subjects and on what ground: one line of JSON, without a clear value of a subject.

use std::str::FromStr;

use jiff::Timestamp;
use serde_json::json;

use super::Revealed;

/// The longest ground, characters.
const MAX_GROUND: usize = 500;

/// On what ground somebody looks: a ticket, an article of a law. It is kept for as long as the key
/// store, so it must hold no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground(String);

/// A text that is no ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ground is 1 to {MAX_GROUND} characters on one line, such as a ticket's number")]
pub struct BadGround;

impl FromStr for Ground {
    type Err = BadGround;

    fn from_str(text: &str) -> Result<Self, BadGround> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= MAX_GROUND && !text.contains(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(BadGround) }
    }
}

/// Who looks, as far as the operating system says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's number, where the system tells it. The name alone could be made up.
    pub uid: Option<u32>,
    /// The user's name, as the environment says.
    pub name: Option<String>,
}

impl User {
    /// Whoever runs this process.
    pub fn current() -> Self {
        let name = ["LOGNAME", "USER", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        Self { uid: uid(), name }
    }
}

/// The owner of this process: the standard library asks the system in no other way.
#[cfg(unix)]
fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|process| process.uid())
}

#[cfg(not(unix))]
fn uid() -> Option<u32> {
    None
}

/// The line of the audit record.
pub(super) fn line(revealed: &Revealed, subjects: usize, ground: &Ground, user: &User) -> String {
    json!({
        "act": "reveal",
        "at": Timestamp::now().strftime("%FT%T.%3fZ").to_string(),
        "user": {"uid": user.uid, "name": user.name},
        "pipeline": revealed.pipeline,
        "subject": revealed.subject,
        "subjects": subjects,
        "records": revealed.records(),
        "ground": ground.0,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ground_is_one_line_that_says_something() {
        assert_eq!(" ticket 4711 ".parse(), Ok(Ground("ticket 4711".to_owned())));
        for text in ["", "  ", "a\nb", "a\u{1b}[2J", &"x".repeat(501)] {
            assert_eq!(text.parse::<Ground>(), Err(BadGround), "{text:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_who_runs_this() {
        assert!(User::current().uid.is_some());
    }
}
