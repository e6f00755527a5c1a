//! A place that holds data of subjects, as the register of places stores it.
//!
//! The register outlives the program that writes it, so the texts of [`StoreRef`] and [`Form`] are
//! a stored format: they never change their meaning, and every text that was ever written is read
//! and written back byte for byte.

use std::{convert::Infallible, fmt, str::FromStr};

use lethe_crds::profile_pipeline::Audience;

use crate::pipeline::{Pointer, PointerError};

/// A table, topic, collection or file that holds data of subjects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The store that it is in.
    pub store: StoreRef,
    /// Table, topic, collection or path, as the store names it: `<keyspace>.<table>` in Cassandra,
    /// `<database>.<collection>` in MongoDB.
    pub object: String,
    /// Space of its subjects.
    pub space: String,
    /// How a subject is found in it.
    pub form: Form,
}

impl Place {
    /// Returns the place that the register stores as these four texts.
    ///
    /// Fails if the form is not one that this version knows. A reader must then fail too: without
    /// that place it would report less personal data than there is.
    pub fn from_stored(store: &str, object: String, space: String, form: &str) -> Result<Self, FormError> {
        Ok(Self { store: store.into(), object, space, form: form.parse()? })
    }
}

/// The store that a place is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreRef {
    /// A DataStore of the pipeline's namespace, by name.
    DataStore(String),
    /// The file system of the process.
    File,
}

/// The stored text of [`StoreRef::File`]. A DataStore of this name is read back as the file system.
const FILE: &str = "file";

impl From<&str> for StoreRef {
    fn from(text: &str) -> Self {
        if text == FILE { Self::File } else { Self::DataStore(text.to_owned()) }
    }
}

impl FromStr for StoreRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for StoreRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DataStore(name) => name,
            Self::File => FILE,
        })
    }
}

/// How a subject is found in a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// By the subject's reference for this audience.
    Reference(Audience),
    /// By the subject's token.
    Token,
    /// Not at all without a key: the records are sealed.
    Sealed,
    /// By the identifier in the clear, which records have at this path.
    Clear(Pointer),
}

/// A stored form that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The kind of form, or the audience, is unknown.
    #[error("the register of places holds the form {0:?}, which this version does not know: use a later version")]
    Unknown(String),
    /// `Clear:` is not followed by a path.
    #[error("the register of places holds the form {text:?}, which has no valid path")]
    Pointer {
        /// The stored text.
        text: String,
        /// What is wrong with its path.
        source: PointerError,
    },
}

const AUDIENCES: [Audience; 4] = [Audience::Identity, Audience::Operational, Audience::Analytics, Audience::Public];

/// Returns the text of an audience in a stored form.
const fn audience_text(audience: Audience) -> &'static str {
    match audience {
        Audience::Identity => "Identity",
        Audience::Operational => "Operational",
        Audience::Analytics => "Analytics",
        Audience::Public => "Public",
    }
}

impl FromStr for Form {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let unknown = || FormError::Unknown(text.to_owned());
        match text.split_once(':') {
            None if text == "Token" => Ok(Self::Token),
            None if text == "Sealed" => Ok(Self::Sealed),
            Some(("Reference", name)) => AUDIENCES
                .into_iter()
                .find(|audience| audience_text(*audience) == name)
                .map(Self::Reference)
                .ok_or_else(unknown),
            Some(("Clear", path)) => {
                path.parse().map(Self::Clear).map_err(|source| FormError::Pointer { text: text.to_owned(), source })
            }
            None | Some(_) => Err(unknown()),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(audience) => write!(f, "Reference:{}", audience_text(*audience)),
            Self::Token => f.write_str("Token"),
            Self::Sealed => f.write_str("Sealed"),
            Self::Clear(path) => write!(f, "Clear:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_stored_form_is_read_and_written_back_byte_for_byte() {
        for (text, form) in [
            ("Reference:Identity", Form::Reference(Audience::Identity)),
            ("Reference:Operational", Form::Reference(Audience::Operational)),
            ("Reference:Analytics", Form::Reference(Audience::Analytics)),
            ("Reference:Public", Form::Reference(Audience::Public)),
            ("Token", Form::Token),
            ("Sealed", Form::Sealed),
            ("Clear:/user/id", Form::Clear("/user/id".parse().unwrap())),
            ("Clear:/a:b/*/c~1d~0", Form::Clear("/a:b/*/c~1d~0".parse().unwrap())),
        ] {
            assert_eq!(text.parse::<Form>().as_ref(), Ok(&form), "{text}");
            assert_eq!(form.to_string(), text);
        }
    }

    #[test]
    fn the_text_of_an_audience_is_its_name_in_a_manifest() {
        for audience in AUDIENCES {
            assert_eq!(serde_json::to_value(audience).unwrap(), audience_text(audience));
        }
    }

    #[test]
    fn a_form_of_a_later_version_is_refused_with_its_text() {
        for text in ["", "Hashed", "Token:", "Sealed:x", "Reference", "Reference:", "Reference:Auditors", "token"] {
            assert_eq!(text.parse::<Form>(), Err(FormError::Unknown(text.to_owned())), "{text}");
        }
        let error = "Reference:Auditors".parse::<Form>().unwrap_err().to_string();
        assert!(error.contains("Reference:Auditors") && error.contains("later version"), "{error}");
    }

    #[test]
    fn a_clear_form_needs_a_path() {
        for text in ["Clear:", "Clear:user", "Clear:/a~2"] {
            assert!(matches!(text.parse::<Form>(), Err(FormError::Pointer { .. })), "{text}");
        }
        assert_eq!("Clear".parse::<Form>(), Err(FormError::Unknown("Clear".to_owned())));
    }

    #[test]
    fn a_store_is_named_as_before() {
        for (text, store) in [("profiles", StoreRef::DataStore("profiles".to_owned())), ("file", StoreRef::File)] {
            assert_eq!(StoreRef::from(text), store);
            assert_eq!(store.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn the_clear_form_of_any_path_survives_the_register(keys in prop::collection::vec("[a-z~/*:é]{0,4}", 1..4)) {
            let path: String = keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
            let form = Form::Clear(path.parse().unwrap());
            prop_assert_eq!(form.to_string().parse::<Form>(), Ok(form));
        }
    }
}
