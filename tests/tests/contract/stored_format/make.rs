//! Makes the fixture again, by a program of another version: `tests/fixtures/stored/make`.

use std::{
    env, fs,
    process::{Command, Stdio},
};

use lethe_core::identity::unhex;
use serde_json::{Value, json};

use super::{READ, Stored, StoredStore, letters_of, places_of};
use crate::RUNTIME;

/// The `lethe-worker` that makes the fixture; without it nothing is made.
const PROGRAM: &str = "LETHE_STORED_BY";
/// A library that sets the clock of a program ahead by `CLOCK_AHEAD` seconds.
const CLOCK: &str = "LETHE_STORED_CLOCK";
/// 18 years. Keys of days are destroyed at most 21 days after their day, so those of the fixture
/// are of a day that is far ahead. Rows expire later than that.
const AHEAD: &str = "568080000";
/// Lines of the source that are read before the clock is set ahead.
const READ_NOW: usize = 20;

/// Makes what is kept of a store, if a program is named that shall do it.
pub fn make_again<S: StoredStore>() {
    let Some(program) = env::var_os(PROGRAM) else { return };
    let clock = env::var_os(CLOCK).unwrap();
    RUNTIME.block_on(async {
        let stored = Stored::new(S::FOLDER);
        let store = S::connect(&stored).await;
        let start = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.args(arguments).current_dir(stored.folder.path()).env_remove("LETHE_LOG").stdin(Stdio::null());
            command
        };
        let output = |mut command: Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let old = |arguments: &[&str]| output(start(&[arguments, &["-f", "."]].concat()));
        let answer = |arguments: &[&str]| -> Value {
            serde_json::from_str(&old(&[arguments, &["--output", "json"]].concat())).unwrap()
        };
        output(start(&["keys", "create", "lethe-keys", "--to", "keys.yaml"]));
        stored.show(Some(READ_NOW));
        let counts = &answer(&["run", "--until-end", "--quiet"])["counts"];
        assert_eq!(counts["events"], json!(READ_NOW));
        stored.show(Some(READ));
        let mut ahead = start(&["run", "--until-end", "--quiet", "-f", "."]);
        ahead.env("LD_PRELOAD", &clock).env("CLOCK_AHEAD", AHEAD);
        output(ahead);

        stored.allow_diamonds();
        let redriven = answer(&["redrive", "--quiet"]);
        assert_eq!(redriven["counts"]["redriven"], json!(1), "{redriven}");
        old(&["keys", "rotate"]);
        old(&["keys", "retire", "master-1", "--ground", "a test"]);
        let token = old(&["token", "u-8", "--space", "customers"]);
        let token = token.trim().rsplit(':').next().unwrap();
        store.shred_and_register(&stored, unhex(token.as_bytes()).unwrap()).await;

        let expected = json!({
            "revealed": stored.revealed(answer),
            "places": places_of(&*store.vault(&stored).await, &stored).await,
            "letters": letters_of(&*store.letters(&stored).await).await,
        });
        store.keep(&stored).await;
        fs::copy(stored.path("keys.yaml"), stored.kept_path("keys.yaml")).unwrap();
        fs::write(stored.kept_path("expected.json"), serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
        store.end(&stored).await;
    });
}
