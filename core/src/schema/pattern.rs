//! Patterns of ECMA 262 that have the same meaning in the `regex` crate.

use regex::Regex;

/// Returns the pattern as a linear-time regular expression, or `None` if the two languages may
/// differ: look-around, back-references, Unicode classes, the dot.
pub(super) fn translate(pattern: &str) -> Option<Regex> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                'd' => out.push_str(if class { "0-9" } else { "[0-9]" }),
                'w' => out.push_str(if class { "A-Za-z0-9_" } else { "[A-Za-z0-9_]" }),
                escaped @ ('\\' | '.' | '/' | '-' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^'
                | '$') => {
                    if escaped != '/' {
                        out.push('\\');
                    }
                    out.push(escaped);
                }
                _ => return None,
            },
            '.' if !class => return None,
            '(' if !class && chars.peek() == Some(&'?') => {
                out.push_str("(?:");
                chars.next();
                (chars.next()? == ':').then_some(())?;
            }
            '[' if class => out.push_str("\\["),
            '[' => {
                class = true;
                out.push(c);
                if chars.peek() == Some(&'^') {
                    out.push('^');
                    chars.next();
                }
                // An empty class, or one that begins with a bracket, has another meaning here.
                if chars.peek() == Some(&']') {
                    return None;
                }
            }
            ']' if class => {
                class = false;
                out.push(c);
            }
            // Set operations of the `regex` crate, which ECMA does not have.
            '&' | '~' | '-' if class && chars.peek() == Some(&c) => return None,
            c => out.push(c),
        }
    }
    Regex::new(&out).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::translate;

    #[test]
    fn digits_are_ascii_digits() {
        let digits = translate(r"^\d{2}$").unwrap();
        assert!(digits.is_match("42"));
        assert!(!digits.is_match("٤٢"));
    }

    #[test]
    fn patterns_that_may_differ_are_left_to_the_other_engine() {
        for pattern in [r"^.*$", r"\p{L}", r"(?=a)", r"(?<name>a)", r"\s", r"\bword", r"(a)\1", "[]a]", "[a&&b]"] {
            assert!(translate(pattern).is_none(), "{pattern}");
        }
    }
}
