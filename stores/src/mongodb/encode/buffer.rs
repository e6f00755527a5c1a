//! Writes BSON directly into bytes, so that a command of hundreds of statements is one allocation.
//!
//! The names passed in here are Lethe's own and hold no NUL. The names in documents are checked in
//! `json.rs`.

/// Element types, as numbered by <https://bsonspec.org/spec.html>.
mod kind {
    pub(crate) const DOUBLE: u8 = 0x01;
    pub(crate) const TEXT: u8 = 0x02;
    pub(crate) const DOCUMENT: u8 = 0x03;
    pub(crate) const ARRAY: u8 = 0x04;
    pub(crate) const BOOLEAN: u8 = 0x08;
    pub(crate) const DATE: u8 = 0x09;
    pub(crate) const NULL: u8 = 0x0a;
    pub(crate) const INT64: u8 = 0x12;
    pub(crate) const DECIMAL: u8 = 0x13;
}

/// A BSON document that is being written.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
}

/// Start of a document that is not ended yet.
#[must_use]
pub(crate) struct Open(usize);

impl Buffer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Removes what was written after the buffer had this length.
    pub(crate) fn cut(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Starts a document that is not an element of another one.
    pub(crate) fn begin(&mut self) -> Open {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        Open(at)
    }

    /// Starts a document under a name.
    pub(crate) fn document(&mut self, name: &str) -> Open {
        self.head(kind::DOCUMENT, name);
        self.begin()
    }

    /// Starts an array under a name. The names of its elements are their indexes.
    pub(crate) fn array(&mut self, name: &str) -> Open {
        self.head(kind::ARRAY, name);
        self.begin()
    }

    /// Ends a document or an array.
    #[expect(clippy::needless_pass_by_value, reason = "what is ended can't be ended again")]
    pub(crate) fn end(&mut self, open: Open) {
        let Open(at) = open;
        self.bytes.push(0);
        // The length fits: callers reject commands that exceed the limit of a server, far below
        // 2^31.
        let length = (self.bytes.len() - at) as u32;
        self.bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.head(kind::TEXT, name);
        let length = value.len() as u32 + 1;
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
    }

    pub(crate) fn int64(&mut self, name: &str, value: i64) {
        self.head(kind::INT64, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds a date, in milliseconds since 1970.
    pub(crate) fn date(&mut self, name: &str, millis: i64) {
        self.head(kind::DATE, name);
        self.bytes.extend_from_slice(&millis.to_le_bytes());
    }

    pub(crate) fn double(&mut self, name: &str, value: f64) {
        self.head(kind::DOUBLE, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds a decimal, given as the 128 bits of a Decimal128.
    pub(crate) fn decimal(&mut self, name: &str, bits: u128) {
        self.head(kind::DECIMAL, name);
        self.bytes.extend_from_slice(&bits.to_le_bytes());
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        self.head(kind::BOOLEAN, name);
        self.bytes.push(u8::from(value));
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.head(kind::NULL, name);
    }

    fn head(&mut self, kind: u8, name: &str) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
    }
}

/// The names of the elements of an array (`0`, `1`, `2`), without an allocation per name.
pub(crate) struct Indexes {
    digits: [u8; 10],
    from: usize,
}

impl Indexes {
    pub(crate) const fn new() -> Self {
        Self { digits: [b'0'; 10], from: 9 }
    }

    /// Returns the name of the next element.
    pub(crate) fn peek(&self) -> &str {
        std::str::from_utf8(&self.digits[self.from..]).unwrap_or_default()
    }

    /// Advances to the next name. Call it after the element was written.
    pub(crate) fn step(&mut self) {
        for at in (0..self.digits.len()).rev() {
            self.from = self.from.min(at);
            if self.digits[at] < b'9' {
                self.digits[at] += 1;
                return;
            }
            self.digits[at] = b'0';
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mongodb::bson::{Bson, DateTime, RawDocumentBuf, doc};

    use super::*;

    #[test]
    fn what_is_written_reads_as_the_driver_would_write_it() {
        let mut buffer = Buffer::default();
        let root = buffer.begin();
        buffer.text("a", "größe");
        buffer.int64("b", -7);
        let array = buffer.array("c");
        let mut names = Indexes::new();
        for n in 0..12 {
            buffer.double(names.peek(), f64::from(n));
            names.step();
        }
        buffer.end(array);
        let inner = buffer.document("d");
        buffer.date("e", 1_763_716_000_123);
        buffer.boolean("f", true);
        buffer.null("g");
        buffer.end(inner);
        buffer.end(root);
        let wanted = doc! {
            "a": "größe", "b": -7_i64, "c": (0..12).map(|n| Bson::Double(f64::from(n))).collect::<Vec<_>>(),
            "d": {"e": DateTime::from_millis(1_763_716_000_123), "f": true, "g": Bson::Null},
        };
        let bytes = buffer.into_bytes();
        assert_eq!(bytes, mongodb::bson::to_vec(&wanted).unwrap());
        assert_eq!(RawDocumentBuf::from_bytes(bytes).unwrap().to_document().unwrap(), wanted);
    }

    #[test]
    fn what_is_cut_was_never_written() {
        let mut buffer = Buffer::default();
        let root = buffer.begin();
        let before = buffer.len();
        buffer.text("a", "b");
        buffer.cut(before);
        buffer.end(root);
        assert_eq!(buffer.into_bytes(), [5, 0, 0, 0, 0]);
    }
}
