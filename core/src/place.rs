//! A place that holds data of subjects, as the register of places stores it.
//!
//! The register outlives the program that writes it, so the texts of [`StoreRef`] and [`Form`] are
//! a stored format: they never change their meaning, and every text that was ever written is read
//! and written back byte for byte.

use std::{cmp::Ordering, fmt, str::FromStr};

use lethe_crds::profile_pipeline::Audience;

use crate::pointer::{Pointer, PointerError};

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

/// The store that a place is in. Ordered by its text.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl StoreRef {
    /// Returns the stored text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::DataStore(name) => name,
            Self::File => FILE,
        }
    }
}

impl Ord for StoreRef {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_file = |store: &Self| matches!(store, Self::File);
        self.as_str().cmp(other.as_str()).then(is_file(self).cmp(&is_file(other)))
    }
}

impl PartialOrd for StoreRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for StoreRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a subject is found in a place. Ordered by its text.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Form {
    /// Returns the text before the path, and the path.
    const fn parts(&self) -> (&'static str, Option<&Pointer>) {
        match self {
            Self::Reference(Audience::Identity) => ("Reference:Identity", None),
            Self::Reference(Audience::Operational) => ("Reference:Operational", None),
            Self::Reference(Audience::Analytics) => ("Reference:Analytics", None),
            Self::Reference(Audience::Public) => ("Reference:Public", None),
            Self::Token => ("Token", None),
            Self::Sealed => ("Sealed", None),
            Self::Clear(path) => ("Clear:", Some(path)),
        }
    }
}

impl Ord for Form {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for Form {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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

/// Every form without a path.
const PLAIN: [Form; 6] = [
    Form::Reference(Audience::Identity),
    Form::Reference(Audience::Operational),
    Form::Reference(Audience::Analytics),
    Form::Reference(Audience::Public),
    Form::Token,
    Form::Sealed,
];

impl FromStr for Form {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        if let Some(path) = text.strip_prefix("Clear:") {
            let pointer = |source| FormError::Pointer { text: text.to_owned(), source };
            return path.parse().map(Self::Clear).map_err(pointer);
        }
        let known = PLAIN.into_iter().find(|form| form.parts().0 == text);
        known.ok_or_else(|| FormError::Unknown(text.to_owned()))
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, path) = self.parts();
        f.write_str(text)?;
        path.map_or(Ok(()), |path| path.fmt(f))
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
        for form in PLAIN {
            let Form::Reference(audience) = form else { continue };
            let name = serde_json::to_value(audience).unwrap();
            assert_eq!(form.to_string(), format!("Reference:{}", name.as_str().unwrap()));
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

    #[test]
    fn places_are_ordered_by_their_texts() {
        let forms = ["Clear:/a", "Clear:/b", "Reference:Analytics", "Reference:Public", "Sealed", "Token"];
        let stores = ["events", "file", "profiles"];
        let texts: Vec<(&str, &str)> = stores.iter().flat_map(|store| forms.map(|form| (*store, form))).collect();
        let place = |(store, form): &(&str, &str)| Place::from_stored(store, "a".into(), "b".into(), form).unwrap();
        assert!(texts.is_sorted());
        assert!(texts.iter().map(place).is_sorted());
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
