//! Tokens and references: 256-bit values that stand for a person, and how they are written.

use std::{fmt, str::FromStr};

use super::hex::{hex, push_hex, unhex};

/// Represents a person inside Lethe: `HMAC(root key, space | canonical id)`. Never written to a sink.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub [u8; 32]);

/// Represents a person in the records of one audience: `HMAC(audience key, token)`. Written as 64
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(pub [u8; 32]);

/// Identifies a root key without revealing it: its check value, written as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootCheck(pub [u8; 8]);

/// A token with the check value of the root key it was derived from, as it is written in an erasure
/// request and in the ledger: `<root check>:<64 hexadecimal digits>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenText {
    /// The root key that it was derived from.
    pub root: RootCheck,
    /// The token.
    pub token: Token,
}

/// The text does not have exactly this many lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0} lower-case hexadecimal digits")]
pub struct NotHex(pub usize);

/// Why a text is not a written token. It never repeats the text, which may be an identifier that
/// was put in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenTextError {
    /// No colon.
    #[error("a token is written <root check>:<token>, 16 and 64 hexadecimal digits, but there is no colon")]
    NoColon,
    /// The part before the colon is wrong.
    #[error("the root check of a token, before the colon, is {0}")]
    Root(NotHex),
    /// The part after the colon is wrong.
    #[error("a token, after the colon, is {0}")]
    Token(NotHex),
}

impl FromStr for Reference {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        unhex(text.as_bytes()).map(Self).ok_or(NotHex(64))
    }
}

impl FromStr for RootCheck {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        unhex(text.as_bytes()).map(Self).ok_or(NotHex(16))
    }
}

impl FromStr for TokenText {
    type Err = TokenTextError;

    fn from_str(text: &str) -> Result<Self, TokenTextError> {
        let (root, token) = text.split_once(':').ok_or(TokenTextError::NoColon)?;
        let token = unhex(token.as_bytes()).map(Token);
        Ok(Self {
            root: root.parse().map_err(TokenTextError::Root)?,
            token: token.ok_or(TokenTextError::Token(NotHex(64)))?,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&hex(&self.0)).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RootCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::with_capacity(16);
        push_hex(&self.0, &mut digits);
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for RootCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex(&self.token.0);
        write!(f, "{}:{}", self.root, std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_written_token_is_read_back(root: [u8; 8], token: [u8; 32]) {
            let text = TokenText { root: RootCheck(root), token: Token(token) };
            prop_assert_eq!(text.to_string().parse::<TokenText>(), Ok(text));
        }

        #[test]
        fn a_written_reference_is_read_back(bytes: [u8; 32]) {
            prop_assert_eq!(Reference(bytes).to_string().parse::<Reference>(), Ok(Reference(bytes)));
        }

        #[test]
        fn any_text_is_read_or_refused_without_being_repeated(text in "\\PC{4,80}") {
            if let Err(error) = text.parse::<TokenText>() {
                prop_assert!(!error.to_string().contains(&text));
            }
        }
    }

    #[test]
    fn a_token_is_written_with_its_root_check() {
        let text = TokenText { root: RootCheck([0xab; 8]), token: Token([0x01; 32]) };
        assert_eq!(text.to_string(), format!("abababababababab:{}", "01".repeat(32)));
    }

    #[test]
    fn a_text_that_is_not_a_token_is_refused_with_the_part_that_is_wrong() {
        let token = "0".repeat(64);
        assert_eq!(token.parse::<TokenText>(), Err(TokenTextError::NoColon));
        assert_eq!(format!("0:{token}").parse::<TokenText>(), Err(TokenTextError::Root(NotHex(16))));
        assert_eq!("0000000000000000:anna@example.com".parse::<TokenText>(), Err(TokenTextError::Token(NotHex(64))));
    }

    #[test]
    fn a_token_shows_nothing_in_a_debug_form() {
        let text = TokenText { root: RootCheck([1; 8]), token: Token([2; 32]) };
        assert_eq!(format!("{:?} {text:?}", text.token), "[token] [token]");
    }
}
