//! Copies undeclared JSON with everything redacted that looks like personal data.

use std::borrow::Cow;

use crate::{
    detect::Detector,
    json::{number_end, push_string, string_end, unescape},
};

/// Appends `raw`, JSON that the walk has checked. Texts and numbers lose what is detected in them; a
/// member whose key holds any is left out whole.
pub(super) fn redact_json(detector: Detector, raw: &str, out: &mut Vec<u8>) {
    Copier { detector, raw, at: 0 }.value(out);
}

struct Copier<'c> {
    detector: Detector,
    raw: &'c str,
    at: usize,
}

impl Copier<'_> {
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.raw.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn text(&mut self) -> Cow<'_, str> {
        let start = self.at + 1;
        let end = string_end(self.raw.as_bytes(), start).map_or(self.raw.len(), |(end, _)| end);
        self.at = end + 1;
        unescape(&self.raw[start..end])
    }

    fn value(&mut self, out: &mut Vec<u8>) {
        self.skip_space();
        match self.raw.as_bytes().get(self.at) {
            Some(b'"') => {
                let detector = self.detector;
                push_string(&detector.redact(&self.text()), out);
            }
            Some(b'{') => self.members(out, b'{', b'}'),
            Some(b'[') => self.members(out, b'[', b']'),
            Some(b'-' | b'0'..=b'9') => {
                let end = number_end(self.raw.as_bytes(), self.at).map_or(self.raw.len(), |(end, _)| end);
                let number = &self.raw[self.at..end];
                self.at = end;
                // A card number is one, with or without quotes.
                match self.detector.redact(number) {
                    Cow::Borrowed(number) => out.extend_from_slice(number.as_bytes()),
                    Cow::Owned(redacted) => push_string(&redacted, out),
                }
            }
            _ => {
                let rest = &self.raw[self.at..];
                let length = rest.bytes().take_while(u8::is_ascii_lowercase).count();
                out.extend_from_slice(&rest.as_bytes()[..length]);
                self.at += length.max(1);
            }
        }
    }

    fn members(&mut self, out: &mut Vec<u8>, open: u8, close: u8) {
        out.push(open);
        let first = out.len();
        self.at += 1;
        loop {
            self.skip_space();
            match self.raw.as_bytes().get(self.at) {
                Some(b',') => self.at += 1,
                Some(byte) if *byte == close => {
                    self.at += 1;
                    break;
                }
                None => break,
                Some(_) => {
                    let before = out.len();
                    if before > first {
                        out.push(b',');
                    }
                    let shown = open == b'[' || self.key(out);
                    self.value(out);
                    if !shown {
                        out.truncate(before);
                    }
                }
            }
        }
        out.push(close);
    }

    /// Copies a key and its colon; answers whether it may be shown.
    fn key(&mut self, out: &mut Vec<u8>) -> bool {
        let detector = self.detector;
        let name = self.text();
        let shown = detector.is_clean(&name);
        push_string(&name, out);
        out.push(b':');
        self.skip_space();
        self.at += 1;
        shown
    }
}
