//! Finds the keys Secret, and the key stores with keys that its masters wrap.

use std::{collections::BTreeSet, sync::Arc};

use clap::Args;
use lethe_core::{keys::KeyRing, pipeline::KEY_DATABASE as DATABASE};
use lethe_crds::load::{Resources, Secret};
use lethe_stores::{ErrorKind, KeyCheck, StoreError, Vault};

use crate::{
    cli::{Failure, files::Files, spaces::namespace},
    open::{Stores, find_ring_of, may_read},
};

/// Options that select manifests, a keys Secret and key stores.
#[derive(Args)]
pub(super) struct Access {
    #[command(flatten)]
    pub files: Files,

    /// The keys Secret, as NAME or NAMESPACE/NAME; needed if there are several.
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,

    /// A DataStore that holds keys, in addition to those of the pipelines that name the Secret;
    /// NAME/DATABASE if its keyspace or database is not `lethe`. May be repeated.
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,

    /// Allow stores that are not on this machine.
    #[arg(long)]
    live: bool,
}

/// A keys Secret, and the stores that its keys are used with.
pub(super) struct Keyring<'r> {
    pub secret: &'r Secret,
    pub ring: KeyRing,
    pub stores: Vec<KeyStoreInUse>,
}

/// A key store in use.
pub(super) struct KeyStoreInUse {
    /// Name of the DataStore.
    pub name: String,
    /// The open store. `None` if it was not created yet.
    pub open: Option<OpenKeyStore>,
}

/// An open key store.
pub(super) struct OpenKeyStore {
    pub store: Arc<dyn Vault>,
    /// Check values of all keys that it was used with.
    pub known: Vec<KeyCheck>,
}

/// Key commands never create a store.
const ACCESS: lethe_stores::Access = lethe_stores::Access::ReadOnly;

/// Returns whether two stores are the same. Two DataStores may name the same file.
fn same(a: &Arc<dyn Vault>, b: &Arc<dyn Vault>) -> bool {
    Arc::as_ptr(a).cast::<()>() == Arc::as_ptr(b).cast::<()>()
}

impl Access {
    /// Finds the Secret and opens the stores. A store that doesn't exist is returned without an
    /// open store.
    pub(super) async fn open<'r>(&self, resources: &'r Resources) -> Result<Keyring<'r>, Failure> {
        let secret = self.find(resources)?;
        let ring = find_ring_of(resources, &secret.namespace, &secret.name)?;
        let names = self.store_names(resources, secret);
        if names.is_empty() {
            return Err(Failure::Usage(format!(
                "no pipeline among the manifests names the Secret {}; give the manifests of its pipelines with -f, or \
                 its key store with --store",
                secret.name
            )));
        }
        let mut stores = Stores::new(resources, &secret.namespace, ACCESS, self.live);
        let mut found: Vec<KeyStoreInUse> = Vec::new();
        for (name, database) in names {
            let open = match stores.find_vault(&name, &database, "the key store").await? {
                Some(store) => Some(OpenKeyStore { known: store.checks().await?, store }),
                None => None,
            };
            let again = |other: &KeyStoreInUse| match (&other.open, &open) {
                (Some(other), Some(open)) => same(&other.store, &open.store),
                _ => false,
            };
            if !found.iter().any(again) {
                found.push(KeyStoreInUse { name, open });
            }
        }
        Ok(Keyring { secret, ring, stores: found })
    }

    fn find<'r>(&self, resources: &'r Resources) -> Result<&'r Secret, Failure> {
        let named = |secret: &Secret| {
            resources.pipelines().any(|pipeline| {
                namespace(pipeline) == secret.namespace && pipeline.spec.keys.secret_ref.name == secret.name
            })
        };
        let full = |secret: &Secret| format!("{}/{}", secret.namespace, secret.name);
        let keys: Vec<&Secret> = resources
            .secrets()
            .filter(|secret| secret.secret_type == lethe_core::pipeline::KEYS_SECRET_TYPE || named(secret))
            .filter(|secret| may_read(secret))
            .collect();
        let fits =
            |secret: &&&Secret| self.secret.as_ref().is_none_or(|name| secret.name == *name || full(secret) == *name);
        let mut found = keys.iter().filter(fits);
        let every = || keys.iter().map(|secret| full(secret)).collect::<Vec<_>>().join(", ");
        match (found.next(), found.next()) {
            (Some(secret), None) => Ok(secret),
            (Some(_), Some(_)) => {
                Err(Failure::Usage(format!("there are several keys Secrets, choose with --secret: {}", every())))
            }
            (None, _) if keys.is_empty() => Err(Failure::Key(
                "the manifests hold no keys Secret; give its file with -f, too, or make one with `lethe-worker keys \
                 create`"
                    .to_owned(),
            )),
            (None, _) => Err(Failure::Usage(format!("no keys Secret has that name; there are: {}", every()))),
        }
    }

    /// Returns the key stores of the pipelines that name the Secret, and the given ones, with their
    /// databases.
    fn store_names(&self, resources: &Resources, secret: &Secret) -> BTreeSet<(String, String)> {
        let pipelines = resources.pipelines().filter(|pipeline| {
            namespace(pipeline) == secret.namespace && pipeline.spec.keys.secret_ref.name == secret.name
        });
        let of_pipelines = pipelines.map(|pipeline| {
            let keys = &pipeline.spec.keys;
            (keys.store_ref.name.clone(), keys.database.clone().unwrap_or_else(|| DATABASE.to_owned()))
        });
        let given = self.store.iter().map(|store| match store.split_once('/') {
            Some((name, database)) => (name.to_owned(), database.to_owned()),
            None => (store.clone(), DATABASE.to_owned()),
        });
        of_pipelines.chain(given).collect()
    }
}

impl Keyring<'_> {
    /// Returns all key stores. Fails if one doesn't exist, since keys must be changed in all
    /// stores.
    pub(super) fn all_open(&self) -> Result<Vec<&OpenKeyStore>, Failure> {
        self.stores
            .iter()
            .map(|store| {
                let open = store.open.as_ref();
                open.ok_or_else(|| not_there(&store.name, "it is used for keys").into())
            })
            .collect()
    }
}

fn not_there(name: &str, why: &str) -> StoreError {
    StoreError::new(
        ErrorKind::Mismatch,
        name,
        format!(
            "it is not there yet, but {why}; of an embedded store, run the command in the folder where the pipeline runs"
        ),
    )
}

impl OpenKeyStore {
    /// Returns the keys of the ring that are new to this store. Fails if the store was used with
    /// another ring.
    pub(super) fn verify(&self, ring: &KeyRing) -> Result<Vec<KeyCheck>, Failure> {
        let known = self.known.iter().map(|known| (known.name.as_str(), known.check.as_str(), known.retired));
        let new = ring.verify_against(known).map_err(|error| Failure::Key(error.to_string()))?;
        Ok(new.into_iter().map(|(name, check)| KeyCheck { name, check, retired: false }).collect())
    }
}
