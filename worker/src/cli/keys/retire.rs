//! `keys retire`: removes a master that wraps no key from the Secret, and records the ground.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use lethe_core::keys::{KeyName, KeyRing};
use lethe_stores::KeyCheck;
use serde_json::json;

use super::{
    access::{Access, OpenKeyStore},
    rewrap::{Wrapped, count},
    save::{Saved, Target},
    user::current_user,
};
use crate::cli::{Failure, Output, answer, table::number};

/// Retire a master key permanently.
///
/// Refuses the current master, and one that still wraps a key. Records the user, the time and the
/// ground, then writes the Secret without it. An old backup of the key store becomes useless only
/// when every other copy of the master is destroyed, too (backups of the Secret and of etcd, Git
/// history, files elsewhere).
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Retire {
    /// The master: master-1, master-2 and so on.
    master: String,

    #[command(flatten)]
    access: Access,

    /// The ground for the record: a ticket, a policy. No personal data.
    #[arg(long, value_name = "TEXT")]
    ground: String,

    /// Write the Secret to this new file, and leave the original file unchanged (destroy it
    /// afterwards).
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Example:
  lethe-worker keys retire master-1 -f examples/laptop -f lethe-keys.yaml --ground \"yearly rotation, OPS-417\"";

/// What the user attests by retiring a master.
const ATTESTS: &str = "every copy of this key is destroyed, or will be: in backups of the keys Secret and of etcd, in Git \
                       history, and in files on any machine; until then a backup of the key store can still be opened";

impl Retire {
    pub(super) async fn execute(self, output: Output) -> Result<(), Failure> {
        let Ok(KeyName::Master(master)) = self.master.parse() else {
            return Err(Failure::Usage(
                "only masters can be retired: name one as master-1; root and audience keys are permanent".to_owned(),
            ));
        };
        let ground = self.ground.trim();
        if ground.is_empty() {
            return Err(Failure::Usage("--ground is empty; state the ground, for the record".to_owned()));
        }
        let resources = self.access.files.read()?;
        let keyring = self.access.open(&resources).await?;
        let stores = keyring.all_open()?;
        let name = KeyName::Master(master).to_string();
        let check = keyring.ring.checks().into_iter().find(|(held, _)| *held == name).map(|(_, check)| check);
        let Some(check) = check else { return not_held(&name, &stores) };
        let without = keyring.ring.without_master(master).map_err(|error| Failure::Key(error.to_string()))?;
        for store in &stores {
            verify_others(store, &without, &name, &check)?;
        }
        let mut wraps = Wrapped::default();
        for store in &stores {
            wraps.add(count(store, master).await?);
        }
        if wraps.total() > 0 {
            return Err(Failure::Key(format!(
                "{name} still wraps {} keys of persons and {} keys of days; wrap them by the current master with \
                 `lethe-worker keys rotate --only-rewrap` first",
                number(wraps.subjects),
                number(wraps.days)
            )));
        }
        let target = Target::find(&resources, keyring.secret, self.to)?;
        let attestation = json!({"act": "keys retire", "key": name, "check": check, "at": Timestamp::now().to_string(),
            "by": current_user(), "ground": ground, "attests": ATTESTS});
        for open in &stores {
            record(open, &name, &check, &attestation.to_string()).await?;
        }
        let saved = target.save(keyring.secret, &without, None)?;
        report(&name, &saved, stores.len(), output)
    }
}

/// Returns the failure if the Secret lacks the master: it was retired before, or is lost.
fn not_held(name: &str, stores: &[&OpenKeyStore]) -> Result<(), Failure> {
    let retired = |open: &&OpenKeyStore| open.known.iter().any(|known| known.name == name && known.retired);
    if stores.iter().all(retired) {
        return Err(Failure::Usage(format!("{name} was retired before, and the Secret does not hold it")));
    }
    Err(Failure::Key(format!(
        "the Secret holds no {name}; give the Secret that does, or look what is there with `lethe-worker keys check`"
    )))
}

/// Verifies that the store was used with the ring, and with this value of the master. The master
/// may have been retired already in an interrupted run.
fn verify_others(open: &OpenKeyStore, without: &KeyRing, name: &str, check: &str) -> Result<(), Failure> {
    let others = open.known.iter().filter(|known| known.name != name);
    without
        .verify_against(others.map(|known| (known.name.as_str(), known.check.as_str(), known.retired)))
        .map_err(|error| Failure::Key(error.to_string()))?;
    match open.known.iter().find(|known| known.name == name) {
        Some(known) if known.check != check => Err(Failure::Key(format!(
            "the Secret holds another value for {name} than the key store was used with; give the right Secret"
        ))),
        _ => Ok(()),
    }
}

/// Records the retirement. The store refuses it if the master wraps a key by now.
async fn record(open: &OpenKeyStore, name: &str, check: &str, attestation: &str) -> Result<(), Failure> {
    let known = open.known.iter().find(|known| known.name == name);
    if known.is_some_and(|known| known.retired) {
        return Ok(());
    }
    if known.is_none() {
        // Registers an unused master before it is retired, so that it can't be used later.
        let check = KeyCheck { name: name.to_owned(), check: check.to_owned(), retired: false };
        open.store.add_checks(vec![check]).await?;
    }
    open.store.retire(name.to_owned(), attestation.to_owned()).await?;
    open.store.audit(attestation.to_owned()).await?;
    Ok(())
}

fn report(name: &str, saved: &Saved, stores: usize, output: Output) -> Result<(), Failure> {
    let path = saved.path.display();
    match output {
        Output::Json => answer::json(&json!({"retired": name, "file": path.to_string(), "attests": ATTESTS})),
        Output::Text => answer::text(&format!(
            "Retired {name}: recorded in {} key store{}, and {path} no longer holds it.\n\n\
             Now destroy every other copy of it: backups of this file (*.before-master-*), backups of the Secret and \
             of etcd, Git history, files on other machines. Until then a backup of the key store can still be \
             opened.\n",
            number(stores as u64),
            if stores == 1 { "" } else { "s" }
        )),
    }
}
