//! The audit record of a reveal: the user, the subject's token and the ground, as one line of JSON.
//! It contains no clear value of a subject.

use std::str::FromStr;

use jiff::Timestamp;
use serde_json::json;

use super::Revealed;

/// The longest ground, in characters.
const MAX_GROUND: usize = 500;

/// The ground of a reveal, such as a ticket or an article of a law. It is stored as long as the key
/// store, so it must not contain personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground(String);

/// The text is not a valid ground.
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

/// The user of the operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user id, if the system provides one. The name alone could be forged.
    pub uid: Option<u32>,
    /// The user name from the environment.
    pub name: Option<String>,
}

impl User {
    /// Returns the user that runs this process.
    pub fn current() -> Self {
        let name = ["LOGNAME", "USER", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        Self { uid: uid(), name }
    }
}

/// Returns the owner of this process. The standard library has no call for it, so it is read from
/// `/proc`.
#[cfg(unix)]
fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|process| process.uid())
}

#[cfg(not(unix))]
fn uid() -> Option<u32> {
    None
}

/// Returns the line of the audit record.
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
    fn a_ground_is_one_line_of_text() {
        assert_eq!(" ticket 4711 ".parse(), Ok(Ground("ticket 4711".to_owned())));
        for text in ["", "  ", "a\nb", "a\u{1b}[2J", &"x".repeat(501)] {
            assert_eq!(text.parse::<Ground>(), Err(BadGround), "{text:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_uid_of_the_process_is_known() {
        assert!(User::current().uid.is_some());
    }
}
