//! Reads a JSON document value by value, without a tree and without a copy.
//!
//! The document was checked before: the engine wrote it, or the walk read it to its end. So the
//! cursor reports what it cannot read, but it does not find every mistake: a value that is skipped
//! is only searched for its end.

use std::borrow::Cow;

use super::{NotJson, number_end, string_end, unescape};

/// Objects and arrays inside each other that are read, at most. An event has at most 100.
pub const MAX_DEPTH: u32 = 1024;

/// A place in a JSON document.
///
/// Every call reads on from the place where the one before it stopped. [`Cursor::value`] opens an
/// object or an array. Its caller then calls [`Cursor::member`] or [`Cursor::element`] until there
/// are no more, and reads or skips the value after each of them.
#[derive(Clone)]
pub struct Cursor<'j> {
    text: &'j str,
    at: usize,
    depth: u32,
    /// An object or array was opened, and nothing in it was read yet.
    opened: bool,
}

/// The position of a value.
#[derive(Clone, Copy)]
pub struct Mark(usize);

/// A value that the cursor has read, or whose beginning it has read.
pub enum Value<'j> {
    /// An object was opened: its members follow.
    Object,
    /// An array was opened: its elements follow.
    Array,
    /// A string.
    Text(Text<'j>),
    /// A number, as it is written.
    Number(&'j str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// A string of a JSON document.
#[derive(Clone, Copy)]
pub struct Text<'j> {
    document: &'j str,
    /// Between the quotes.
    start: usize,
    end: usize,
    escaped: bool,
}

impl<'j> Text<'j> {
    /// Returns the string with its quotes, as it is written.
    pub fn quoted(&self) -> &'j str {
        &self.document[self.start - 1..=self.end]
    }

    /// Returns the text without quotes and escapes.
    #[inline]
    pub fn unescaped(&self) -> Cow<'j, str> {
        let raw = &self.document[self.start..self.end];
        if self.escaped { unescape(raw) } else { Cow::Borrowed(raw) }
    }
}

impl<'j> Cursor<'j> {
    /// Starts before the first value of a document.
    pub fn new(text: &'j str) -> Self {
        Self { text, at: 0, depth: 0, opened: false }
    }

    /// Returns how many objects and arrays are open.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Returns the position of the next value, for [`Cursor::since`].
    #[inline]
    pub fn mark(&mut self) -> Mark {
        self.skip_space();
        Mark(self.at)
    }

    /// Returns the text from a mark to the end of what was read last.
    #[inline]
    pub fn since(&self, mark: Mark) -> &'j str {
        self.text.get(mark.0..self.at).unwrap_or_default()
    }

    /// Returns whether the value at a mark is an object.
    #[inline]
    pub fn is_object(&self, mark: Mark) -> bool {
        self.text.as_bytes().get(mark.0) == Some(&b'{')
    }

    /// Reads a string, a number or a word, or opens an object or an array.
    #[inline]
    pub fn value(&mut self) -> Result<Value<'j>, NotJson> {
        self.skip_space();
        Ok(match self.peek().ok_or(NotJson)? {
            b'"' => Value::Text(self.string()?),
            b'{' => {
                self.open()?;
                Value::Object
            }
            b'[' => {
                self.open()?;
                Value::Array
            }
            b't' => {
                self.word("true")?;
                Value::Bool(true)
            }
            b'f' => {
                self.word("false")?;
                Value::Bool(false)
            }
            b'n' => {
                self.word("null")?;
                Value::Null
            }
            _ => {
                let start = self.at;
                self.at = number_end(self.text.as_bytes(), start)?.0;
                Value::Number(&self.text[start..self.at])
            }
        })
    }

    /// Reads the name of the next member of the open object, up to its value. Returns `None` after
    /// the last member; the object is then closed.
    // Inlined always, as `next` is: a call for each member costs a store's encoder a tenth of its
    // time.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub fn member(&mut self) -> Result<Option<Text<'j>>, NotJson> {
        if !self.next(b'}')? {
            return Ok(None);
        }
        self.skip_space();
        let name = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        Ok(Some(name))
    }

    /// Returns whether the open array has another element, which is to be read next. Closes the
    /// array after the last one.
    #[inline]
    pub fn element(&mut self) -> Result<bool, NotJson> {
        self.next(b']')
    }

    /// Skips a value of any kind.
    #[inline]
    pub fn skip(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (self.at, 0);
        loop {
            match bytes.get(at).ok_or(NotJson)? {
                b'"' => at = string_end(bytes, at + 1)?.0 + 1,
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                    if depth > MAX_DEPTH - self.depth {
                        return Err(NotJson);
                    }
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    at += 1;
                }
                // Between the parts of the skipped value. A comma after it is not part of it.
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth > 0 => {
                    at += 1;
                    continue;
                }
                // A number or a word.
                _ => {
                    let scalar = bytes[at..].iter();
                    let length =
                        scalar.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')).count();
                    if length == 0 {
                        return Err(NotJson);
                    }
                    at += length;
                }
            }
            if depth == 0 {
                self.at = at;
                return Ok(());
            }
        }
    }

    /// Checks that only white space follows.
    pub fn end(mut self) -> Result<(), NotJson> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(NotJson) }
    }

    /// Steps over the comma before the next part of the open object or array, or over its end.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn next(&mut self, close: u8) -> Result<bool, NotJson> {
        let first = std::mem::take(&mut self.opened);
        self.skip_space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth = self.depth.checked_sub(1).ok_or(NotJson)?;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(NotJson),
        }
    }

    #[inline]
    fn open(&mut self) -> Result<(), NotJson> {
        if self.depth >= MAX_DEPTH {
            return Err(NotJson);
        }
        self.depth += 1;
        self.at += 1;
        self.opened = true;
        Ok(())
    }

    #[inline]
    fn string(&mut self) -> Result<Text<'j>, NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        let (end, escaped) = string_end(self.text.as_bytes(), start)?;
        self.at = end + 1;
        Ok(Text { document: self.text, start, end, escaped })
    }

    fn word(&mut self, word: &str) -> Result<(), NotJson> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests;
