//! Which keys Secret is meant, and which stores hold what its masters wrap.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use clap::Args;
use lethe_core::keys::KeyRing;
use lethe_crds::load::{Resources, Secret};
use lethe_stores::{Bookkeeping, KeyStore, StoreError, embedded::EmbeddedStore, key_store::KeyCheck};

use crate::{
    cli::{Failure, files::Files, spaces::namespace},
    open::{Stores, find_ring_of, may_read},
};

/// Which manifests, which Secret, which key stores.
#[derive(Args)]
pub(super) struct Access {
    #[command(flatten)]
    pub files: Files,

    /// The keys Secret, as NAME or NAMESPACE/NAME; needed when there are several.
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,

    /// A DataStore that holds keys, beside those of the pipelines that name the Secret. May be given several
    /// times.
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,
}

/// A keys Secret with the stores that its keys are used with.
pub(super) struct Keyring<'r> {
    pub secret: &'r Secret,
    pub ring: KeyRing,
    pub stores: Vec<KeyStoreInUse>,
}

/// A key store, with the stores of the dead letters that belong to it.
pub(super) struct KeyStoreInUse {
    /// Name of the DataStore.
    pub name: String,
    /// The store; `None`: it was not made yet.
    pub open: Option<OpenKeyStore>,
}

/// A key store that is there.
pub(super) struct OpenKeyStore {
    pub store: Arc<EmbeddedStore>,
    /// Check values of every key it was used with.
    pub known: Vec<KeyCheck>,
    /// Where keys of days lie: the store itself and those of the register, each once.
    pub letters: Vec<Arc<EmbeddedStore>>,
}

const LETTERS: &str = "lethe_dead_letter";

impl Access {
    /// Finds the Secret and opens the stores. None is made: one that isn't there is told as such.
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
        let mut stores = Stores::new(resources, &secret.namespace);
        let mut found: Vec<KeyStoreInUse> = Vec::new();
        for name in names {
            let open = match existing(resources, &mut stores, &secret.namespace, &name, "the key store")? {
                Some(store) => Some(open(resources, &mut stores, secret, store).await?),
                None => None,
            };
            let again = |other: &KeyStoreInUse| match (&other.open, &open) {
                (Some(other), Some(open)) => Arc::ptr_eq(&other.store, &open.store),
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

    /// DataStores of the pipelines that name the Secret, and those given.
    fn store_names(&self, resources: &Resources, secret: &Secret) -> BTreeSet<String> {
        let pipelines = resources.pipelines().filter(|pipeline| {
            namespace(pipeline) == secret.namespace && pipeline.spec.keys.secret_ref.name == secret.name
        });
        let of_pipelines = pipelines.map(|pipeline| pipeline.spec.keys.store_ref.name.clone());
        of_pipelines.chain(self.store.iter().cloned()).collect()
    }
}

/// The store of a DataStore, if its file is there: looking makes none.
fn existing(
    resources: &Resources,
    stores: &mut Stores<'_>,
    namespace: &str,
    name: &str,
    what: &str,
) -> Result<Option<Arc<EmbeddedStore>>, Failure> {
    let declared = resources.data_store(namespace, name).and_then(|store| store.spec.embedded.as_ref());
    if declared.is_some_and(|embedded| !Path::new(&embedded.path).exists()) {
        return Ok(None);
    }
    Ok(Some(stores.embedded(name, what)?))
}

async fn open(
    resources: &Resources,
    stores: &mut Stores<'_>,
    secret: &Secret,
    store: Arc<EmbeddedStore>,
) -> Result<OpenKeyStore, Failure> {
    let known = store.checks().await?;
    let mut letters = vec![Arc::clone(&store)];
    let mut add = |other: Arc<EmbeddedStore>| {
        if !letters.iter().any(|there| Arc::ptr_eq(there, &other)) {
            letters.push(other);
        }
    };
    // The register knows of pipelines that are not among the manifests.
    let places = store.places().await?;
    for place in places.iter().filter(|place| place.name == LETTERS) {
        match existing(resources, stores, &secret.namespace, &place.store, "a dead letter")? {
            Some(other) => add(other),
            None => return Err(not_there(&place.store, "dead letters lie in it").into()),
        }
    }
    for pipeline in resources.pipelines().filter(|pipeline| namespace(pipeline) == secret.namespace) {
        let embedded = pipeline.spec.dead_letter.as_ref().and_then(|letters| letters.embedded.as_ref());
        if let Some(name) = embedded.map(|embedded| &embedded.store_ref.name)
            && pipeline.spec.keys.secret_ref.name == secret.name
            && let Some(other) = existing(resources, stores, &secret.namespace, name, "a dead letter")?
        {
            add(other);
        }
    }
    Ok(OpenKeyStore { store, known, letters })
}

impl Keyring<'_> {
    /// Every key store, or a failure if one is not there: what changes keys changes them everywhere.
    pub(super) fn all_open(&self) -> Result<Vec<&OpenKeyStore>, Failure> {
        self.stores
            .iter()
            .map(|store| {
                let open = store.open.as_ref();
                open.ok_or_else(|| not_there(&store.name, "keys lie in it").into())
            })
            .collect()
    }
}

fn not_there(name: &str, why: &str) -> StoreError {
    StoreError::Mismatch {
        store: name.to_owned(),
        message: format!(
            "its file does not exist here, but {why}; run the command in the folder where the pipeline runs"
        ),
    }
}

impl OpenKeyStore {
    /// Names and check values of the ring that are new to this store; a failure if it is another ring.
    pub(super) fn verify(&self, ring: &KeyRing) -> Result<Vec<KeyCheck>, Failure> {
        let known = self.known.iter().map(|known| (known.name.as_str(), known.check.as_str(), known.retired));
        let new = ring.verify_against(known).map_err(|error| Failure::Key(error.to_string()))?;
        Ok(new.into_iter().map(|(name, check)| KeyCheck { name, check, retired: false }).collect())
    }
}
