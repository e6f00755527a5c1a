//! Keys of subjects.

pub(crate) mod aliases;

use std::sync::Arc;

use futures::future::BoxFuture;
use lethe_core::{identity::Token, keys::WrappedKey};

use crate::{
    Fault, KeyEntry, KeyRow, StoreError, SubjectKeys, SubjectWant,
    cassandra::{
        concurrency,
        fault::unexpected,
        vault::{
            CassandraVault, Inner,
            conditional::{Applied, MAX_ATTEMPTS, contended},
        },
    },
};

/// Maximum number of reads in flight.
const READS: usize = 192;
/// Maximum number of conditional writes in flight. Each takes four round trips among the replicas.
pub(crate) const WRITES: usize = 64;

/// A key with its class.
pub(crate) type Keyed = (String, KeyRow);

impl SubjectKeys for CassandraVault {
    fn subjects(&self, wants: Vec<SubjectWant>) -> BoxFuture<'_, Result<Vec<Vec<KeyRow>>, StoreError>> {
        Box::pin(self.run(subjects(Arc::clone(&self.inner), wants)))
    }

    fn find(&self, space: String, token: Token) -> BoxFuture<'_, Result<Vec<KeyEntry>, StoreError>> {
        Box::pin(self.run(async move {
            let keys = self.inner.keys(&space, token, Read::Quorum).await?;
            Ok(keys.into_iter().map(|(class, row)| KeyEntry { space: space.clone(), token, class, row }).collect())
        }))
    }

    fn resolve(&self, space: String, name: String, alias: Token) -> BoxFuture<'_, Result<Vec<Token>, StoreError>> {
        Box::pin(self.run(self.inner.resolve(space, name, alias)))
    }
}

impl CassandraVault {
    /// Destroys the keys of a subject. Each row is kept and marked as shredded, so that no new key
    /// replaces it. Returns how many keys were live.
    pub async fn shred(&self, space: String, token: Token) -> Result<u64, StoreError> {
        self.run(self.inner.shred(&space, token)).await
    }
}

/// Which conditional writes a read sees.
#[derive(Clone, Copy)]
pub(crate) enum Read {
    /// All committed writes.
    Quorum,
    /// All committed writes and those in progress.
    Serial,
}

/// Returns the keys of each subject. Reads all of them first, so that a known subject needs no
/// conditional write.
async fn subjects(inner: Arc<Inner>, wants: Vec<SubjectWant>) -> Result<Vec<Vec<KeyRow>>, Fault> {
    let mut answers: Vec<Vec<KeyRow>> = wants.iter().map(|_| Vec::new()).collect();
    let reader = Arc::clone(&inner);
    let read =
        concurrency::run(wants.into_iter().enumerate().collect(), READS, move |(at, want): (usize, SubjectWant)| {
            let inner = Arc::clone(&reader);
            async move {
                let keys = inner.keys(&want.space, want.token, Read::Quorum).await?;
                inner.add_aliases(&want).await?;
                Ok((at, want, keys))
            }
        });
    let mut absent = Vec::new();
    for (at, want, keys) in read.await? {
        match in_order(&want, &keys) {
            Some(rows) => answers[at] = rows,
            None => absent.push((at, want, keys)),
        }
    }
    if absent.is_empty() {
        return Ok(answers);
    }
    let mut masters: Vec<u32> =
        absent.iter().flat_map(|(_, want, _)| want.candidates.iter().map(|(_, key)| key.master)).collect();
    masters.sort_unstable();
    masters.dedup();
    let creator = Arc::clone(&inner);
    let created = concurrency::run(absent, WRITES, move |(at, want, keys): (usize, SubjectWant, Vec<Keyed>)| {
        let inner = Arc::clone(&creator);
        async move { Ok((at, inner.create_missing(&want, keys).await?)) }
    });
    for (at, rows) in created.await? {
        answers[at] = rows;
    }
    // Use none of the keys before a fresh read shows that their master was not retired meanwhile.
    for master in masters {
        inner.ensure_not_retired_uncached(master).await?;
    }
    Ok(answers)
}

/// Returns the keys in the order of the candidates, or `None` if one is absent.
fn in_order(want: &SubjectWant, keys: &[Keyed]) -> Option<Vec<KeyRow>> {
    let find = |class: &String| keys.iter().find(|(other, _)| other == class).map(|(_, row)| row.clone());
    want.candidates.iter().map(|(class, _)| find(class)).collect()
}

impl Inner {
    pub(crate) async fn keys(&self, space: &str, token: Token, read: Read) -> Result<Vec<Keyed>, Fault> {
        let statement = match read {
            Read::Quorum => &self.cql.keys,
            Read::Serial => &self.cql.keys_serial,
        };
        let rows = self.rows(statement, (space, token.0.as_slice())).await?;
        let rows = rows.rows::<(String, String, Option<i64>, Option<Vec<u8>>)>().map_err(|_| unexpected())?;
        rows.map(|row| {
            let (class, state, master, sealed) = row.map_err(|_| unexpected())?;
            Ok((class, key_row(&state, master, sealed)?))
        })
        .collect()
    }

    /// Creates the missing keys of a subject in one write. If another worker has created keys
    /// meanwhile, returns those.
    async fn create_missing(&self, want: &SubjectWant, mut keys: Vec<Keyed>) -> Result<Vec<KeyRow>, Fault> {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(rows) = in_order(want, &keys) {
                return Ok(rows);
            }
            let absent: Vec<&(String, WrappedKey)> =
                want.candidates.iter().filter(|(class, _)| !keys.iter().any(|(other, _)| other == class)).collect();
            for (_, key) in &absent {
                self.ensure_not_retired(key.master).await?;
            }
            let token = want.token.0.as_slice();
            let values = absent
                .iter()
                .map(|(class, key)| (&want.space, token, class, i64::from(key.master), key.sealed.as_slice()))
                .collect();
            match self.write_all_if(&self.cql.insert_key, values).await? {
                Applied::Yes => {
                    keys.extend(absent.iter().map(|(class, key)| (class.clone(), KeyRow::Live(key.clone()))));
                }
                Applied::No | Applied::Unknown => keys = self.keys(&want.space, want.token, Read::Serial).await?,
            }
        }
        in_order(want, &keys).ok_or_else(contended)
    }

    async fn shred(&self, space: &str, token: Token) -> Result<u64, Fault> {
        let mut shredded = 0;
        let mut lost = false;
        for _ in 0..MAX_ATTEMPTS {
            let keys = self.keys(space, token, Read::Serial).await?;
            let live: Vec<&String> =
                keys.iter().filter(|(_, row)| matches!(row, KeyRow::Live(_))).map(|(class, _)| class).collect();
            if live.is_empty() && !lost {
                return Ok(shredded);
            }
            lost = false;
            for class in live {
                match self.write_if(&self.cql.shred_key, (space, token.0.as_slice(), class)).await? {
                    Applied::Yes => shredded += 1,
                    Applied::No => {}
                    // Read again: if the key is no longer live, this write or another deletion has
                    // destroyed it.
                    Applied::Unknown => {
                        let keys = self.keys(space, token, Read::Serial).await?;
                        let live = keys.iter().any(|(other, row)| other == class && matches!(row, KeyRow::Live(_)));
                        lost |= live;
                        shredded += u64::from(!live);
                    }
                }
            }
        }
        Err(contended())
    }
}

/// Converts a row of the key table.
pub(crate) fn key_row(state: &str, master: Option<i64>, sealed: Option<Vec<u8>>) -> Result<KeyRow, Fault> {
    match (state, master.and_then(|master| u32::try_from(master).ok()), sealed) {
        ("live", Some(master), Some(sealed)) => Ok(KeyRow::Live(WrappedKey { master, sealed })),
        ("shredded", ..) => Ok(KeyRow::Shredded),
        _ => Err(Fault::internal("a row of lethe_keys is of a kind that this version doesn't know")),
    }
}
