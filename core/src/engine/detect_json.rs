//! Copies undeclared JSON with everything redacted that looks like personal data.

use std::borrow::Cow;

use crate::{
    detect::Detector,
    json::{Cursor, NotJson, Value, push_string},
};

/// Appends `raw`, JSON that the walk has checked, without its white space. Strings and numbers lose
/// what is detected in them; a member whose name holds any is left out.
pub(super) fn redact_json(detector: Detector, raw: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if push_value(detector, &mut Cursor::new(raw), out).is_err() {
        // A value that could not be read must not pass.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

fn push_value(detector: Detector, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), NotJson> {
    match cursor.value()? {
        Value::Text(text) => push_string(&detector.redact(&text.unescaped()), out),
        // A card number is personal data with or without quotes.
        Value::Number(number) => match detector.redact_number(number) {
            Cow::Borrowed(number) => out.extend_from_slice(number.as_bytes()),
            Cow::Owned(redacted) => push_string(&redacted, out),
        },
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Null => out.extend_from_slice(b"null"),
        Value::Object => {
            out.push(b'{');
            let first = out.len();
            while let Some(name) = cursor.member()? {
                let name = name.unescaped();
                if !detector.is_clean(&name) {
                    cursor.skip()?;
                    continue;
                }
                push_comma(first, out);
                push_string(&name, out);
                out.push(b':');
                push_value(detector, cursor, out)?;
            }
            out.push(b'}');
        }
        Value::Array => {
            out.push(b'[');
            let first = out.len();
            while cursor.element()? {
                push_comma(first, out);
                push_value(detector, cursor, out)?;
            }
            out.push(b']');
        }
    }
    Ok(())
}

/// Appends a comma if something was written since `first`.
fn push_comma(first: usize, out: &mut Vec<u8>) {
    if out.len() > first {
        out.push(b',');
    }
}
