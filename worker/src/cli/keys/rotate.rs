//! `keys rotate`: creates another master, and wraps every key with it.
//!
//! The order prevents a loss of keys: first the new Secret is written to disk and read back, then
//! the master is registered in every key store, then keys are wrapped with it. An interrupted
//! rotation is continued by the same command.

use std::{
    io::{IsTerminal, stderr},
    path::PathBuf,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use lethe_core::keys::KeyRing;
use serde_json::json;

use super::{
    access::{Access, Keyring, OpenKeyStore},
    generate_ring,
    rewrap::{Wrapped, any_by_others, count, rewrap},
    save::{Saved, Target},
    user::current_user,
};
use crate::cli::{Failure, Output, answer, table::number};

/// Create another master key and wrap every key with it.
///
/// First writes the Secret with the new master: into its original file (a copy of the previous
/// contents is kept beside it), or with --to into a new one. Then wraps every subject key and every
/// day key of dead letters with the new master. Sealed data doesn't change. If interrupted, run the
/// same command again.
///
/// While workers run, do it in two steps: --only-make, deploy the new Secret and restart the
/// workers, then --only-rewrap. A worker that lacks the new master stops at the first key that is
/// wrapped with it.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Rotate {
    #[command(flatten)]
    access: Access,

    /// Write the Secret to this new file, and leave the original file unchanged.
    #[arg(long, value_name = "FILE", conflicts_with = "only_rewrap")]
    to: Option<PathBuf>,

    /// Create the master and write the Secret, but wrap no keys yet.
    #[arg(long, conflicts_with = "only_rewrap")]
    only_make: bool,

    /// Create no master; wrap every key with the current one.
    #[arg(long)]
    only_rewrap: bool,
}

const EXAMPLES: &str = "\
Examples:
  lethe-worker keys rotate -f examples/laptop -f lethe-keys.yaml
  lethe-worker keys rotate -f manifests/ -f lethe-keys.yaml --to lethe-keys-2.yaml --only-make";

impl Rotate {
    pub(super) async fn execute(self, output: Output) -> Result<(), Failure> {
        let resources = self.access.files.read()?;
        let keyring = self.access.open(&resources).await?;
        let stores = keyring.all_open()?;
        for store in &stores {
            store.verify(&keyring.ring)?;
        }
        let unfinished = unfinished(&keyring, &stores).await?;
        let (ring, saved) = if self.only_rewrap || unfinished {
            (None, None)
        } else {
            let target = Target::find(&resources, keyring.secret, self.to)?;
            let (ring, saved) = make(&keyring, target)?;
            (Some(ring), Some(saved))
        };
        let ring = ring.as_ref().unwrap_or(&keyring.ring);
        let done = if self.only_make { None } else { Some(wrap_all(ring, &stores).await?) };
        report(ring, saved.as_ref(), done, unfinished, output)
    }
}

/// Returns whether a rotation to the current master was interrupted: it is not the first master,
/// and a store doesn't know it yet or has keys wrapped with another one.
async fn unfinished(keyring: &Keyring<'_>, stores: &[&OpenKeyStore]) -> Result<bool, Failure> {
    let current = keyring.ring.current_master();
    if keyring.ring.master_numbers().count() < 2 {
        return Ok(false);
    }
    let name = format!("master-{current}");
    for store in stores {
        if !store.known.iter().any(|known| known.name == name) || any_by_others(store, current).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn make(keyring: &Keyring<'_>, target: Target) -> Result<(KeyRing, Saved), Failure> {
    let ring = generate_ring(|random| keyring.ring.with_new_master(random))?;
    let backup = format!("before-master-{}", ring.current_master());
    let saved = target.save(keyring.secret, &ring, Some(&backup))?;
    Ok((ring, saved))
}

async fn wrap_all(ring: &KeyRing, stores: &[&OpenKeyStore]) -> Result<Wrapped, Failure> {
    // Registers the master in all stores first. Of two concurrent rotations, the second fails here,
    // before it wraps a key.
    for open in stores {
        open.store.add_checks(open.verify(ring)?).await?;
    }
    let mut left = 0;
    for open in stores {
        for master in ring.master_numbers().filter(|master| *master != ring.current_master()) {
            left += count(open, master).await?.total();
        }
    }
    let bar = bar(left);
    let mut done = Wrapped::default();
    for open in stores {
        let rewrapped = rewrap(ring, open, &bar).await?;
        let (keys, days, master) = (rewrapped.subjects, rewrapped.days, ring.current_master());
        let line = json!({"act": "keys rotate", "at": Timestamp::now().to_string(), "by": current_user(),
            "master": master, "subjectKeys": keys, "dayKeys": days});
        open.store.audit(line.to_string()).await?;
        done.add(rewrapped);
    }
    bar.finish_and_clear();
    Ok(done)
}

fn bar(keys: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {human_pos} keys, {eta} left");
    ProgressBar::new(keys).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn report(
    ring: &KeyRing,
    saved: Option<&Saved>,
    done: Option<Wrapped>,
    unfinished: bool,
    output: Output,
) -> Result<(), Failure> {
    let current = ring.current_master();
    let older: Vec<String> =
        ring.master_numbers().filter(|master| *master != current).map(|master| format!("master-{master}")).collect();
    if output == Output::Json {
        return answer::json(&json!({
            "master": format!("master-{current}"),
            "made": saved.is_some(),
            "file": saved.map(|saved| saved.path.display().to_string()),
            "backup": saved.and_then(|saved| saved.backup.as_ref()).map(|path| path.display().to_string()),
            "rewrapped": done.map(|done| json!({"subjectKeys": done.subjects, "dayKeys": done.days})),
            "older": older,
        }));
    }
    let mut text = String::new();
    match saved {
        Some(saved) => {
            text.extend([format!("Made master-{current} and wrote the Secret to {}.\n", saved.path.display())]);
            if let Some(backup) = &saved.backup {
                text.extend([format!("Its previous contents are in {}.\n", backup.display())]);
            }
            text.push_str("Back it up now: from here on keys are lost with it.\n");
        }
        None if unfinished => {
            text.extend([format!("A rotation to master-{current} was not finished; no other master was made.\n")]);
        }
        None => {}
    }
    match done {
        Some(done) => text.extend([format!(
            "Wrapped by master-{current}: {} keys of persons, {} keys of days.\n",
            number(done.subjects),
            number(done.days)
        )]),
        None => text.push_str(
            "\nNext: put the new Secret in place, restart the workers, then run `lethe-worker keys rotate \
             --only-rewrap` with it.\n",
        ),
    }
    if done.is_some() && !older.is_empty() {
        text.extend([format!(
            "\nNext: use this Secret everywhere, then `lethe-worker keys retire {} --ground \"...\"`.\n",
            older[0]
        )]);
    }
    answer::text(&text)
}
