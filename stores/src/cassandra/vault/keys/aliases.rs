//! Aliases of subjects, stored by alias and by subject.

use lethe_core::identity::Token;

use crate::{
    Fault, SubjectWant,
    cassandra::{fault::unexpected, vault::Inner},
};

impl Inner {
    /// Stores the missing aliases of a subject. The row by alias is written first: if the row by
    /// subject exists, both exist.
    pub(crate) async fn add_aliases(&self, want: &SubjectWant) -> Result<(), Fault> {
        if want.aliases.is_empty() {
            return Ok(());
        }
        let subject = want.token.0.as_slice();
        let rows = self.rows(&self.cql.aliases_of_subject, (&want.space, subject)).await?;
        let known: Vec<(String, Vec<u8>)> =
            rows.rows().map_err(|_| unexpected())?.collect::<Result<_, _>>().map_err(|_| unexpected())?;
        for (name, alias) in &want.aliases {
            if known.iter().any(|(other, known)| other == name && *known == alias.0) {
                continue;
            }
            let values = (&want.space, name, alias.0.as_slice(), subject);
            self.write(&self.cql.insert_alias, values).await?;
            self.write(&self.cql.insert_alias_by_subject, values).await?;
        }
        Ok(())
    }

    pub(crate) async fn resolve(&self, space: String, name: String, alias: Token) -> Result<Vec<Token>, Fault> {
        let rows = self.rows(&self.cql.subjects_of_alias, (space, name, alias.0.as_slice())).await?;
        let rows = rows.rows::<(Vec<u8>,)>().map_err(|_| unexpected())?;
        rows.map(|row| token(&row.map_err(|_| unexpected())?.0)).collect()
    }
}

/// Converts a stored token.
pub(crate) fn token(bytes: &[u8]) -> Result<Token, Fault> {
    bytes.try_into().map(Token).map_err(|_| unexpected())
}
